// The form: who can open what is encrypted, what opens messages, and the context.

import { anyOf, ecdhKeyring, importEcdhPublicKey, passphraseKeyring } from './bulla.min.js';
import { keyWords } from './words.js';

const byId = (id) => document.getElementById(id);
const self = byId('self');
const others = byId('others');
const passphrase = byId('passphrase');
const pairs = byId('pairs');

/** Something in the form keeps a file from being encrypted or decrypted; the message is for the reader. */
export class SettingsError extends Error {}

/** Wires the form; `onChange` is told after every change. */
export function wireSettings(onChange) {
  others.addEventListener('input', async () => {
    await recipients().catch(() => {});
    onChange();
  });
  for (const input of [self, passphrase]) input.addEventListener('input', onChange);
  byId('show').addEventListener('click', ({ currentTarget: show }) => {
    const hidden = passphrase.type === 'password';
    passphrase.type = hidden ? 'text' : 'password';
    show.textContent = hidden ? 'Hide' : 'Show';
    show.setAttribute('aria-pressed', String(hidden));
  });
  byId('add-pair').addEventListener('click', () => addPair('').name.focus());
}

/** What opens messages: the own key, and the passphrase where one was entered. */
export function decryptionSettings(key) {
  return { ...shared(), keyring: together([ecdhKeyring({ privateKeys: [key] })]) };
}

/** What files are encrypted for. Throws a {@link SettingsError}. */
export async function encryptionSettings(key) {
  const publicKeys = [...(self.checked ? [key.publicKey] : []), ...(await recipients())];
  const keyrings = publicKeys.length > 0 ? [ecdhKeyring({ recipients: unique(publicKeys) })] : [];
  if (keyrings.length === 0 && passphrase.value === '') {
    self.focus();
    throw new SettingsError('Nobody could open it: choose your key, paste a public key, or enter a passphrase.');
  }
  return { ...shared(), keyring: together(keyrings) };
}

/** Who files are encrypted for, in words. */
export function summary() {
  const count = others.value.split(/\s+/).filter(Boolean).length;
  const parts = [
    self.checked ? 'you' : '',
    count > 0 ? `${count} other public key${count === 1 ? '' : 's'}` : '',
    passphrase.value !== '' ? 'anyone who knows the passphrase' : '',
  ].filter(Boolean);
  return parts.length === 0 ? 'Files would be encrypted for nobody.' : `Files are encrypted for ${parts.join(', ')}.`;
}

/** Adds a row for each name that has none. */
export function askFor(names) {
  const present = rows().map(({ name }) => name.value);
  for (const name of names) if (!present.includes(name)) addPair(name);
  rows()
    .find(({ value }) => value.value === '')
    ?.value.focus();
}

function shared() {
  const context = readContext();
  const used = { passphrase: passphrase.value !== '', context: Object.keys(context).length > 0 };
  return { context, used };
}

function together(keyrings) {
  const all = passphrase.value === '' ? keyrings : [...keyrings, passphraseKeyring({ passphrase: passphrase.value })];
  return all.length === 1 ? all[0] : anyOf(...all);
}

/** The public keys that were pasted. Shows what is wrong with them, unless it was changed meanwhile, and throws it. */
async function recipients() {
  const typed = others.value;
  const lines = typed.split('\n');
  const problem = byId('others-error');
  const keys = [];
  for (const [i, line] of lines.entries()) {
    for (const text of line.split(/\s+/).filter(Boolean)) {
      try {
        keys.push(await importEcdhPublicKey(text));
      } catch {
        const words = keyWords(text, i + 1);
        if (others.value === typed) {
          others.setAttribute('aria-invalid', 'true');
          problem.textContent = words;
        }
        throw new SettingsError(words);
      }
    }
  }
  if (others.value === typed) {
    others.removeAttribute('aria-invalid');
    problem.textContent = '';
  }
  return keys;
}

/** One wrapped key for each recipient, also where a key was pasted twice. */
function unique(keys) {
  return [...new Map(keys.map((key) => [key.keyId, key])).values()];
}

/** The context. Throws a {@link SettingsError}, and shows it. */
function readContext() {
  const problem = byId('context-error');
  const context = Object.create(null);
  const refuse = (words, input) => {
    problem.textContent = words;
    input.focus();
    throw new SettingsError(words);
  };
  for (const { name, value } of rows()) {
    if (name.value === '' && value.value === '') continue;
    if (name.value === '') refuse(`The value “${value.value}” of the context has no name.`, name);
    if (name.value in context) refuse(`The context has the name “${name.value}” twice.`, name);
    context[name.value] = value.value;
  }
  problem.textContent = '';
  return { ...context };
}

function rows() {
  return [...pairs.children].map((row) => ({
    row,
    name: row.querySelector('[data-part=name]'),
    value: row.querySelector('[data-part=value]'),
  }));
}

function addPair(text) {
  const number = pairs.children.length + 1;
  const row = document.createElement('div');
  row.className = 'pair';
  const [name, value] = ['name', 'value'].map((part) => {
    const input = document.createElement('input');
    input.dataset.part = part;
    input.placeholder = part;
    input.autocomplete = 'off';
    input.setAttribute('aria-label', `Context ${part} ${number}`);
    return input;
  });
  name.value = text;
  const remove = document.createElement('button');
  remove.type = 'button';
  remove.className = 'icon';
  remove.textContent = '✕';
  remove.setAttribute('aria-label', `Remove context ${number}`);
  remove.addEventListener('click', () => {
    row.remove();
    byId('add-pair').focus();
  });
  row.append(name, value, remove);
  pairs.append(row);
  return { name, value };
}
