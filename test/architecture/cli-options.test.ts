// Every action of the command line uses each option that it declares and refuses every other one: found by walking all commands.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Action, chooseAction, optionsOf, uses } from '../../src/cli/actions.ts';
import { Arguments, type Option, parseArguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { standardError, standardOutput } from '../../src/cli/standard-streams.ts';
import { encrypt } from '../../src/index.ts';
import { ecdhKeyring, exportEcdhPrivateKey, exportEcdhPublicKey, generateEcdhKey } from '../../src/keyrings/ecdh.ts';

const actions = commands.flatMap((command) =>
  command.actions.map((action) => ({ name: `${command.name} ${action.name}`.trim(), command, action })),
);
let folder: string;
let publicKey: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bulla-actions-'));
  const key = await generateEcdhKey({ extractable: true });
  publicKey = exportEcdhPublicKey(key.publicKey);
  writeFileSync(at('key'), await exportEcdhPrivateKey(key));
  writeFileSync(at('plain'), 'attack at dawn');
  writeFileSync(at('m.bulla'), await encrypt('x', { keyring: ecdhKeyring({ recipients: [key.publicKey] }) }));
  const token = { developmentUser: 'alice@north' };
  writeFileSync(at('service'), JSON.stringify({ url: 'http://127.0.0.1:9', key: 'alias:files', token }));
  const job = `{ id: '7', kind: 'verify', field: 'patient.email', state: 'done', pass: 2, rows: 1, written: 0, faults: 0 }`;
  const config = `const job = async () => (${job});
    const none = async () => [];
    export default { fields: () => [], sql: () => [], estimate: async () => ({ distinct: 1 }), start: job, run: job, cancel: job,
      shred: async () => ({ state: 'requested', dataKeys: [], receipts: [], unrevoked: ['1'] }), estimateShred: async () => ({ state: 'active' }),
      faults: none, list: none, plan: async () => [{ level: 'warning' }], states: none };`;
  writeFileSync(at('config.mjs'), config);
  for (const stream of [standardOutput, standardError]) vi.spyOn(stream, 'write').mockResolvedValue();
});
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** An option as it is given. */
const given = ({ name, value }: Option) => (value === undefined ? [`--${name}`] : [`--${name}`, 'x']);
const asking = ({ name }: Action) => (name === '' ? [] : [name]);

describe.each(actions)('bulla $name', ({ name, command, action }) => {
  const parsed = (...args: string[]) => parseArguments([...asking(action), ...args], optionsOf(command));
  const switches = command.actions.map((other) => other.name);
  const others = optionsOf(command).filter((option) => !uses(action, option.name));

  test(`refuses the options of other actions, ${others.length}, by their names`, () => {
    for (const option of others.filter((each) => !switches.includes(`--${each.name}`))) {
      expect(() => chooseAction(command, parsed(...given(option)))).toThrow(
        new RegExp(`^--${option.name} is for bulla ${command.name}.*, not for bulla ${name}$`),
      );
    }
  });

  test('refuses an option without the one that it needs, and with one that contradicts it', () => {
    for (const option of action.options) {
      const { needs, excludes = [] } = option;
      if (needs !== undefined) {
        expect(() => chooseAction(command, parsed(...given(option)))).toThrow(`goes with --${needs}`);
      }
      for (const other of action.options.filter((each) => excludes.includes(each.name))) {
        const both = parsed(...given(option), ...given(other));
        expect(() => chooseAction(command, both)).toThrow(`--${option.name} and --${other.name} exclude each other`);
      }
    }
  });

  test('reads every option that it declares', async () => {
    // Its own switch has chosen it; silence is kept by an action that says nothing, too; help is given before there is one.
    const read = new Set(['help', 'quiet', action.name.slice(2)]);
    for (const call of callsOf(name)) {
      const args = parsed(...call);
      const values = Object.fromEntries(optionsOf(command).map((option) => [option.name, takenFrom(args, option)]));
      const watched = new Proxy(values, { get: (target, member: string) => read.add(member) && target[member] });
      await action.run(new Arguments(args.files, watched)).catch(() => {});
    }
    expect(action.options.map((option) => option.name).filter((each) => !read.has(each))).toEqual([]);
  });
});

function takenFrom(args: Arguments, { name, value, multiple = false }: Option): unknown {
  if (!args.given(name)) return undefined;
  if (value === undefined) return true;
  return multiple ? args.all(name) : args.get(name);
}

/** Calls in which an action comes to read everything that it may need. */
function callsOf(name: string): string[][] {
  const [key, recipient, service] = [
    ['-k', at('key')],
    ['-r', publicKey],
    ['-s', at('service')],
  ];
  if (name.startsWith('keys ')) {
    const more = /deletion$/.test(name) && name !== 'keys cancel-deletion' ? ['--days', '7'] : [];
    return [[], ['a'], ['a', 'b']].map((names) => [...names, ...service, '--quiet', ...more]);
  }
  if (name.startsWith('revocations ')) {
    return [[], [`rev-${'a'.repeat(26)}`]].map((names) => [...names, ...service, '--quiet']);
  }
  if (name.startsWith('fields ')) {
    const field = ['patient.email'];
    const words: Record<string, string[][]> = {
      ...{ plan: [[]], status: [[]], rewrap: [[], ['--dry-run']], cancel: [['7']], sql: [['expand', ...field]] },
      shred: [
        ['7', '--tenant', 'x'],
        ['7', '--tenant', 'x', '--dry-run'],
      ],
      inspect: [['00'], [`f90001${'00'.repeat(60)}`]],
    };
    const config = name === 'fields inspect' ? [] : ['--config', at('config.mjs')];
    return (words[name.slice(7)] ?? [field, [...field, '--dry-run']]).map((each) => [...each, ...config]);
  }
  const calls: Record<string, string[][]> = {
    keygen: [['-o', at('made')]],
    'keygen --public': [key],
    encrypt: [
      [...recipient, '-o', at('out'), at('plain')],
      [...recipient, ...service, '-O', folder, at('plain')],
    ],
    decrypt: [
      [...key, '-o', at('opened'), at('m.bulla')],
      [...key, ...service, '-o', at('opened'), at('m.bulla')],
    ],
    inspect: [[at('m.bulla')]],
    rewrap: [
      [...key, ...recipient, '-o', at('again'), at('m.bulla')],
      [...key, ...service, '-o', at('again'), at('m.bulla')],
    ],
    'rewrap --in-place': [
      [...key, ...recipient, at('m.bulla')],
      [...key, ...service, at('m.bulla')],
    ],
  };
  return calls[name] as string[][];
}
