import { expect, test } from 'vitest';
import { isContentType, safeContentType } from '../../src/service-worker/content-type.ts';

const binary = 'application/octet-stream';

test.each([
  'image/png',
  'IMAGE/PNG',
  'image/jpeg',
  'image/webp',
  'image/avif',
  'audio/wav',
  'audio/mpeg',
  'video/mp4',
  'video/webm; codecs="vp9, opus"',
  'video/webm;codecs=vp9',
  'text/plain',
  'text/plain; charset=utf-8',
  binary,
])('%s is shown', (type) => {
  expect(safeContentType(type, [])).toBe(type);
});

test.each([
  undefined,
  '',
  'text/html',
  'Text/HTML; charset=utf-8',
  'application/xhtml+xml',
  'image/svg+xml',
  'IMAGE/SVG+XML',
  'text/xml',
  'application/xml',
  'text/javascript',
  'application/javascript',
  'application/wasm',
  'application/pdf',
  'text/css',
  'multipart/x-mixed-replace; boundary=x',
  'image/png, text/html',
  'image/png\r\nX: y',
  'image/png;',
  'image',
  'video/',
  ' image/png',
  'image/png ; =x',
])('%s is not', (type) => {
  expect(safeContentType(type, [])).toBe(binary);
});

test('what is allowed is, with parameters', () => {
  expect(safeContentType('text/html; charset=utf-8', ['text/html'])).toBe('text/html; charset=utf-8');
  expect(safeContentType('Text/HTML', ['text/html'])).toBe('Text/HTML');
  expect(safeContentType('text/css', ['text/html'])).toBe(binary);
});

test('what is a media type', () => {
  expect(['a/b', 'a/b;c=d', 'a/b; c="d;e"'].every(isContentType)).toBe(true);
  expect([undefined, 7, '', 'a', 'a/b\n', 'a/b;c', 'a/b; c="d', 'ä/b'].some(isContentType)).toBe(false);
});
