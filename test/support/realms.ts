// Objects of another realm: an iframe's in a browser, a context's of node:vm in Node.

type Evaluate = (code: string) => unknown;

function ofFrame(): Evaluate {
  const frame = document.body.appendChild(document.createElement('iframe'));
  return (code) => (frame.contentWindow as unknown as { eval: Evaluate }).eval(code);
}

async function ofContext(): Promise<Evaluate> {
  const module = 'node:vm';
  const { runInNewContext } = (await import(/* @vite-ignore */ module)) as typeof import('node:vm');
  return (code) => runInNewContext(code) as unknown;
}

/** What code evaluates to in another realm. */
export const foreignRealm: Evaluate = typeof document === 'undefined' ? await ofContext() : ofFrame();
