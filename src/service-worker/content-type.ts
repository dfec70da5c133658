/** Which media types of plaintext a browser is told: those that it shows and never runs. */

const images = ['apng', 'avif', 'bmp', 'gif', 'jpeg', 'png', 'webp'].map((name) => `image/${name}`);
const safe: readonly string[] = [...images, 'text/plain', 'application/octet-stream'];
const anyOther = 'application/octet-stream';
// RFC 9110 §8.3.1
const token = "[\\w!#$%&'*+.^`|~-]+";
const quoted = '"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*"';
const syntax = new RegExp(`^(${token}/${token})(\\s*;\\s*${token}=(?:${token}|${quoted}))*$`);

/**
 * The type of an answer: that of the message where it is a picture without script, audio, video, plain text or among `allowed`, else `application/octet-stream`. HTML, SVG,
 * XML and scripts would run with the rights of the page's origin.
 */
export function safeContentType(contentType: string | undefined, allowed: readonly string[]): string {
  const essence = syntax.exec(contentType ?? '')?.[1]?.toLowerCase();
  if (contentType === undefined || essence === undefined) return anyOther;
  const isSafe = safe.includes(essence) || /^(audio|video)\//.test(essence) || allowed.includes(essence);
  return isSafe ? contentType : anyOther;
}

/** Whether a text is a media type; what is not could end a header early. */
export function isContentType(text: unknown): text is string {
  return typeof text === 'string' && syntax.test(text);
}
