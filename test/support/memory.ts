// Bytes in every kind of memory, and what becomes of memory while a call is under way.

interface Resizable extends ArrayBuffer {
  resize(length: number): void;
}
const ResizableBuffer = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => Resizable;

/** Whether this runtime has memory that can be resized. */
export const hasResizable = 'resizable' in ArrayBuffer.prototype;

function inMemory<Memory extends ArrayBufferLike>(bytes: Uint8Array, memory: Memory, length?: number) {
  const view = new Uint8Array(memory, 0, length);
  view.set(bytes);
  return view;
}
const resizable = (length: number, most = 2 * length + 64) => new ResizableBuffer(length, { maxByteLength: most });

/** Takes the memory away, as `postMessage` with a transfer does. */
export const detach = ({ buffer }: Uint8Array) => void structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });

function detached(bytes: Uint8Array): Uint8Array {
  const view = new Uint8Array(bytes);
  detach(view);
  return view;
}

function shrunk(bytes: Uint8Array): Uint8Array {
  const memory = resizable(bytes.byteLength);
  const view = inMemory(bytes, memory, bytes.byteLength);
  memory.resize(0);
  return view;
}

type Make = (bytes: Uint8Array) => Uint8Array;
type Act = (bytes: Uint8Array) => void;
type Kinds = readonly (readonly [kind: string, make: Make])[];
type Acts = readonly (readonly [what: string, make: Make, act: Act])[];

const lengthTracking: Make = (bytes) => inMemory(bytes, resizable(bytes.byteLength));
/** Pages that are not isolated have no `SharedArrayBuffer`, but this. */
const shared: Make = (bytes) =>
  inMemory(bytes, new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, bytes.byteLength);

const usableResizable: Kinds = [
  ['resizable memory', (bytes) => inMemory(bytes, resizable(bytes.byteLength), bytes.byteLength)],
  ['resizable memory, as a view of all that there is', lengthTracking],
];
const actsOnResizable: Acts = [
  ['shrinks their memory', lengthTracking, ({ buffer }) => (buffer as Resizable).resize(0)],
  ['grows their memory', lengthTracking, ({ buffer, byteLength }) => (buffer as Resizable).resize(byteLength + 64)],
];

/** Memory that bytes may be in. */
export const usable: Kinds = [
  ['a part of larger memory', (bytes) => inMemory(bytes, new ArrayBuffer(bytes.byteLength + 9), bytes.byteLength)],
  ...(hasResizable ? usableResizable : []),
];

/** Memory that bytes must not be in: what is shared changes while it is read. */
export const unusable: Kinds = [
  ['detached memory', detached],
  ['shared memory', shared],
  ...(hasResizable ? [['memory that was shrunk', shrunk] as const] : []),
];

/** What a caller does with its bytes as soon as a call has returned. */
export const meanwhile: Acts = [
  ['overwrites them', (bytes) => new Uint8Array(bytes), (bytes) => void bytes.fill(0)],
  ['gives them away', (bytes) => new Uint8Array(bytes), detach],
  ...(hasResizable ? actsOnResizable : []),
];
