// A WAV file: a tone that says by its pitch where in the file it is.

/** 48 kHz, stereo, 16 bits. */
export const bytesPerSecond = 48_000 * 4;

/** So many seconds of a tone that rises by the minute. */
export function wav(seconds: number): Uint8Array<ArrayBuffer> {
  const length = seconds * bytesPerSecond;
  const file = new DataView(new ArrayBuffer(44 + length));
  const ascii = (at: number, text: string) => {
    for (const [i, character] of [...text].entries()) file.setUint8(at + i, character.charCodeAt(0));
  };
  ascii(0, 'RIFF');
  file.setUint32(4, 36 + length, true);
  ascii(8, 'WAVEfmt ');
  file.setUint32(16, 16, true);
  file.setUint16(20, 1, true);
  file.setUint16(22, 2, true);
  file.setUint32(24, 48_000, true);
  file.setUint32(28, bytesPerSecond, true);
  file.setUint16(32, 4, true);
  file.setUint16(34, 16, true);
  ascii(36, 'data');
  file.setUint32(40, length, true);
  const samples = new Int16Array(file.buffer, 44);
  for (let i = 0; i < samples.length; i += 2) {
    const pitch = 220 + Math.floor(i / 2 / 48_000 / 60) * 40;
    samples[i] = samples[i + 1] = Math.round(8_000 * Math.sin((((i / 2) * pitch) / 48_000) * 2 * Math.PI));
  }
  return new Uint8Array(file.buffer);
}
