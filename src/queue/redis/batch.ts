/** Collects what is asked for within one turn of the event loop and sends it together. */
export interface Batcher<Item, Answer> {
  add(item: Item, size: number): Promise<Answer>;
}

export interface BatchLimits {
  readonly items: number;
  readonly size: number;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly size: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** `send` answers for each item, in order. A batch is cut before it passes either limit; its parts go out in order. */
export function createBatcher<Item, Answer>(
  send: (items: readonly Item[]) => Promise<readonly Answer[]>,
  limits: BatchLimits,
): Batcher<Item, Answer> {
  let waiting: Waiting<Item, Answer>[] = [];

  async function deliver(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await send(batch.map(({ item }) => item));
      for (const [i, { resolve }] of batch.entries()) resolve(answers[i] as Answer);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  function flush(): void {
    const all = waiting;
    waiting = [];
    let from = 0;
    let size = 0;
    for (const [i, entry] of all.entries()) {
      if (i > from && (i - from >= limits.items || size + entry.size > limits.size)) {
        void deliver(all.slice(from, i));
        from = i;
        size = 0;
      }
      size += entry.size;
    }
    void deliver(from === 0 ? all : all.slice(from));
  }

  return {
    add: (item, size) =>
      new Promise((resolve, reject) => {
        if (waiting.push({ item, size, resolve, reject }) === 1) setImmediate(flush);
      }),
  };
}
