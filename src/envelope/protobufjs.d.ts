/** The writer of protobufjs, without the rest of it. */
declare module 'protobufjs/src/writer.js' {
  import type { Bytes } from '../types.ts';

  class Writer {
    static alloc: (length: number) => Bytes;
    uint32(value: number): this;
    bytes(value: Bytes): this;
    /** What is written until {@link ldelim} gets its length in front. */
    fork(): this;
    ldelim(): this;
    finish(): Bytes;
  }

  // biome-ignore lint/style/noDefaultExport: it is a module of CommonJS.
  export { Writer as default };
}
