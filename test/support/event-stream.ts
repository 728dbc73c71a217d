/** One block of a stream: an event, a comment, or the time after which to connect again. */
export interface StreamPart {
  readonly event?: string;
  readonly id?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly retry?: string;
  readonly comment?: string;
}

/** Reads server-sent events as they come. */
export function readEvents(response: Response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const seen: StreamPart[] = [];
  let rest = '';

  async function next(): Promise<StreamPart | null> {
    for (;;) {
      const end = rest.indexOf('\n\n');
      if (end !== -1) {
        const part = parsed(rest.slice(0, end));
        rest = rest.slice(end + 2);
        seen.push(part);
        return part;
      }
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (done) return null;
      rest += value ?? '';
    }
  }

  return {
    /** @throws Error when the stream has ended */
    async next(): Promise<StreamPart> {
      const part = await next();
      if (part === null) throw new Error('the stream has ended');
      return part;
    },
    /** Reads until the stream ends; its last part. */
    async last(): Promise<StreamPart> {
      while ((await next()) !== null);
      return seen.at(-1) ?? {};
    },
    seen: (): readonly StreamPart[] => seen,
    cancel: () => reader?.cancel(),
  };
}

function parsed(block: string): StreamPart {
  const fields = block.split('\n').map((line) => {
    const at = line.indexOf(': ');
    const [name, value] = [line.slice(0, at), line.slice(at + 2)];
    return name === 'data' ? ['data', JSON.parse(value)] : [name === '' ? 'comment' : name, value];
  });
  return Object.fromEntries(fields) as StreamPart;
}
