/** Collects what is asked for within one turn of the event loop and sends it together. */
export interface Batcher<Item, Answer> {
  add(item: Item, size: number): Promise<Answer>;
}

/** A batch that reached either does not wait for the turn's end: Redis works while the rest is still being prepared. */
export interface BatchLimits {
  readonly items: number;
  /** Passed only by a single item that is larger. */
  readonly size: number;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** `send` answers for each item, in order. Batches go out in order. */
export function createBatcher<Item, Answer>(
  send: (items: readonly Item[]) => Promise<readonly Answer[]>,
  limits: BatchLimits,
): Batcher<Item, Answer> {
  let waiting: Waiting<Item, Answer>[] = [];
  let waitingSize = 0;

  async function deliver(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await send(batch.map(({ item }) => item));
      for (let i = 0; i < batch.length; i += 1) batch[i]?.resolve(answers[i] as Answer);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  function flush(): void {
    if (waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    waitingSize = 0;
    void deliver(batch);
  }

  return {
    add: (item, size) =>
      new Promise((resolve, reject) => {
        if (waitingSize + size > limits.size) flush();
        waitingSize += size;
        const count = waiting.push({ item, resolve, reject });
        if (count >= limits.items) flush();
        else if (count === 1) setImmediate(flush);
      }),
  };
}
