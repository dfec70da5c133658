// The page: who is signed in, the list of files, the key and the log.

import type { KeyServiceClient } from 'bulla/service';
import { type Account, administratorClient, createAccount, loadConfig, type ServiceConfig } from './account.ts';
import { clearAudit, showAudit } from './audit-view.ts';
import { announce, byId, element, notice, showFacts } from './dom.ts';
import { FileView } from './file-view.ts';
import { describeKey, rewrapFiles, rotateKey } from './rotation.ts';
import { onSessionOfOtherTab, remember, signedIn } from './session.ts';
import { listFiles, type StoredFile } from './store.ts';
import { Uploads } from './upload-view.ts';
import { count, errorWords, versionWords } from './words.ts';

const people = [
  { user: 'alice@north', name: 'Alice', tenant: 'north' },
  { user: 'bob@south', name: 'Bob', tenant: 'south' },
];

interface Signed {
  readonly account: Account;
  readonly administrator: KeyServiceClient;
  readonly uploads: Uploads;
}

let current: Signed | undefined;
let views: readonly FileView[] = [];

async function start(): Promise<void> {
  const [config] = await Promise.all([loadConfig(), startWorker()]);
  wireSignIn(config);
  wireFiles();
  wireCards();
  // One user at a time: a page of somebody who signed out elsewhere would encrypt for one user and open for another.
  onSessionOfOtherTab(() => location.reload());
  const user = await signedIn();
  if (user === undefined) showSignIn();
  else await enter(config, user);
}

/** Waits until the service worker answers for this page. */
async function startWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) throw new Error('this browser, or this kind of window, has no service workers');
  await navigator.serviceWorker.register('/worker.js');
  await navigator.serviceWorker.ready;
  if (navigator.serviceWorker.controller !== null) return;
  await new Promise<void>((done) => {
    navigator.serviceWorker.addEventListener('controllerchange', () => done(), { once: true });
    // A forced reload has none, whatever happens: media do not open then, everything else does.
    setTimeout(done, 2_000);
  });
}

function wireSignIn(config: ServiceConfig): void {
  byId('people').replaceChildren(
    ...people.map(({ user, name, tenant }) => {
      const person = element('button', { type: 'button', className: 'person' });
      person.append(element('strong', { textContent: name }), element('span', { textContent: `of ${tenant}` }));
      person.addEventListener('click', () => void attempt(() => enter(config, user)));
      return person;
    }),
  );
  byId('sign-out').addEventListener('click', () => void attempt(leave));
}

function showSignIn(): void {
  for (const id of ['app', 'who']) byId(id).hidden = true;
  byId('sign-in').hidden = false;
  byId('people').querySelector('button')?.focus();
}

async function enter(config: ServiceConfig, user: string): Promise<void> {
  const account = createAccount(config, user, () => queueMicrotask(showCalls));
  const uploads = new Uploads(byId('files'), account, () => attempt(refresh));
  current = { account, administrator: administratorClient(config, account.tenant), uploads };
  await remember(user);
  byId('sign-in').hidden = true;
  for (const id of ['app', 'who']) byId(id).hidden = false;
  byId('user').textContent = user;
  byId('tenant').textContent = account.tenant;
  byId('rewrap').hidden = true;
  clearAudit();
  announce(`Signed in as ${user}`);
  await Promise.all([refresh(), showKey()]);
}

async function leave(): Promise<void> {
  current?.uploads.end();
  await remember(undefined);
  // Players would be cut off by the worker in the middle of what they read.
  for (const view of views) view.close();
  views = [];
  navigator.serviceWorker.controller?.postMessage('forget');
  current?.account.names.cache.invalidate();
  current?.account.client.forgetToken();
  current = undefined;
  byId('files').replaceChildren();
  showSignIn();
}

/** Lists the store again. Names are opened together: that is one call for all of them. */
async function refresh(): Promise<readonly StoredFile[]> {
  const signed = current;
  if (signed === undefined) return [];
  const files = await listFiles();
  const onDeleted = () => void attempt(refresh);
  const showing = files.map(async (file) => {
    const kept = views.find((view) => view.shows(file));
    const view = kept ?? new FileView({ account: signed.account, file, onDeleted });
    await (kept ? view.update(file) : view.begin());
    return view;
  });
  const next = await Promise.all(showing);
  if (current !== signed) return files;
  for (const view of views) if (!next.includes(view)) view.close();
  views = next;
  const working = byId('files').querySelectorAll('li:not([data-id])');
  showItems(byId('files'), [...working, ...views.map(({ item }) => item)]);
  byId('empty').hidden = files.length > 0;
  showCalls();
  return files;
}

/** Puts items in order without taking out those that stay: a player that is moved stops. */
function showItems(list: HTMLElement, items: readonly Element[]): void {
  for (const old of [...list.children]) if (!items.includes(old)) old.remove();
  for (const [i, item] of items.entries()) {
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
  }
}

async function showKey(): Promise<void> {
  if (current === undefined) return;
  const { key_id, newest_version, versions } = await describeKey(current.administrator);
  showFacts(byId('key'), {
    Id: key_id,
    'Newest version': newest_version,
    Versions: versionWords(versions),
  });
}

function showCalls(): void {
  if (current === undefined) return;
  const { calls, names } = current.account;
  const { hits, misses } = names.cache.counters;
  showFacts(byId('calls'), {
    Requests: calls.requests,
    'Data keys': calls.dataKeys,
    Names: `${hits} by the cache, ${misses} by asking the service`,
  });
}

function wireFiles(): void {
  const chooser = byId<HTMLInputElement>('file');
  const take = (files: FileList | null | undefined) => {
    for (const file of files ?? []) current?.uploads.add(file);
    byId('empty').hidden = byId('files').childElementCount > 0;
  };
  chooser.addEventListener('change', () => {
    take([...(chooser.files ?? [])] as unknown as FileList);
    // So that the same file can be chosen again.
    chooser.value = '';
  });
  addEventListener('dragover', (event) => {
    event.preventDefault();
    byId('drop').classList.add('over');
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) byId('drop').classList.remove('over');
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    byId('drop').classList.remove('over');
    take(event.dataTransfer?.files);
  });
}

function wireCards(): void {
  const rotate = byId<HTMLButtonElement>('rotate');
  rotate.addEventListener('click', async () => {
    rotate.disabled = true;
    if (!(await attempt(rotateAndRewrap))) byId('rewrap').hidden = true;
    rotate.disabled = false;
    rotate.focus();
  });
  byId('audit').addEventListener(
    'click',
    () => void (current && showAudit(current.administrator, current.account.tenant)),
  );
}

async function rotateAndRewrap(): Promise<void> {
  if (current === undefined) return;
  const { account, administrator } = current;
  const [bar, words] = [byId<HTMLProgressElement>('rewrap-progress'), byId('rewrap-words')];
  byId('rewrap').hidden = false;
  words.textContent = 'Rotating…';
  bar.value = 0;
  const key = await rotateKey(administrator);
  const rewrapped = await rewrapFiles(account, await listFiles(), key, ({ done, total }) => {
    bar.value = total === 0 ? 1 : done / total;
    words.textContent = `Re-wrapped ${done} of ${count(total, 'message')}`;
  });
  bar.value = 1;
  words.textContent = `${count(rewrapped, 'message')} re-wrapped under version ${key.newest_version}.`;
  announce(words.textContent);
  await Promise.all([refresh(), showKey()]);
}

/** Does something, and says above the page where it failed. Resolves to whether it worked. */
async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    notice('');
    await work();
    return true;
  } catch (error) {
    notice(errorWords(error));
    return false;
  }
}

void attempt(start);
