// A WebM file of VP8 frames, with an index: what a browser's own recorder writes has neither an index nor, in Firefox, a second key frame to seek to.

/** A frame of a film. */
export interface Frame {
  /** Milliseconds from the beginning. */
  readonly time: number;
  readonly key: boolean;
  readonly data: Uint8Array;
}

/** The file, with a cluster and a cue (RFC 9559 §5.1.3, §5.1.5) for each key frame. */
export function webm(frames: readonly Frame[], duration: number, width: number, height: number): Uint8Array {
  const info = element(0x1549a966, [integer(0x2ad7b1, 1_000_000), float(0x4489, duration)]);
  const video = element(0xe0, [integer(0xb0, width), integer(0xba, height)]);
  const track = [integer(0xd7, 1), integer(0x73c5, 1), integer(0x83, 1), text(0x86, 'V_VP8'), video];
  const tracks = element(0x1654ae6b, [element(0xae, track)]);
  const groups = frames.reduce<Frame[][]>((groups, frame) => {
    if (frame.key) groups.push([]);
    groups.at(-1)?.push(frame);
    return groups;
  }, []);
  const clusters = groups.map((group) => cluster(group));
  // Cues stand before the clusters, so their own length has to be known: all numbers in them are as wide as they can be.
  const cuesLength = cues(groups, clusters, 0).byteLength;
  const first = info.byteLength + tracks.byteLength + cuesLength;
  const segment = element(0x18538067, [info, tracks, cues(groups, clusters, first), ...clusters]);
  const header = element(0x1a45dfa3, [text(0x4282, 'webm'), integer(0x4287, 2), integer(0x4285, 2)]);
  return Buffer.concat([header, segment]);
}

function cluster(frames: readonly Frame[]): Uint8Array {
  const begun = frames[0]?.time ?? 0;
  const blocks = frames.map(({ time, key, data }) => {
    const front = Buffer.from([0x81, 0, 0, key ? 0x80 : 0]);
    front.writeInt16BE(time - begun, 1);
    return element(0xa3, [front, data]);
  });
  return element(0x1f43b675, [integer(0xe7, begun), ...blocks]);
}

function cues(groups: readonly Frame[][], clusters: readonly Uint8Array[], first: number): Uint8Array {
  let position = first;
  const points = groups.map((group, i) => {
    const at = element(0xb7, [integer(0xf7, 1), integer(0xf1, position)]);
    position += clusters[i]?.byteLength ?? 0;
    return element(0xbb, [integer(0xb3, group[0]?.time ?? 0), at]);
  });
  return element(0x1c53bb6b, points);
}

/** An identifier, a length of eight bytes and the contents (RFC 8794 §4 to §6). */
function element(id: number, contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE((1n << 56n) | BigInt(body.byteLength));
  return Buffer.concat([Buffer.from(id.toString(16), 'hex'), length, body]);
}

function integer(id: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(id, [bytes]);
}

function float(id: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return element(id, [bytes]);
}

function text(id: number, value: string): Uint8Array {
  return element(id, [Buffer.from(value)]);
}
