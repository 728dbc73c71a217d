import type { LanguageModelMiddleware } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';

type Generate = NonNullable<LanguageModelMiddleware['wrapGenerate']>;
type CallOptions = Parameters<Generate>[0]['params'];
type Result = Awaited<ReturnType<Generate>>;

/** Tokens a fake vendor reports; nothing where it reports none. */
export interface Reported {
  readonly input?: number;
  readonly output?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
}

export const usageOf = ({ input, output, cacheRead, cacheWrite }: Reported): Result['usage'] => ({
  inputTokens: { total: input, noCache: undefined, cacheRead, cacheWrite },
  outputTokens: { total: output, text: undefined, reasoning: undefined },
});

/** A model that says `said` and reports what `report` makes of the call. */
export function fakeModel(
  report: (options: CallOptions) => Reported | Promise<Reported>,
  said = 'hello',
): MockLanguageModelV3 {
  return new MockLanguageModelV3({
    modelId: 'fake',
    doGenerate: async (options) => ({
      content: [{ type: 'text', text: said }],
      finishReason: { unified: 'stop', raw: undefined },
      usage: usageOf(await report(options)),
      warnings: [],
    }),
    doStream: async (options) => {
      const usage = usageOf(await report(options));
      return {
        stream: new ReadableStream({
          start(controller) {
            controller.enqueue({ type: 'stream-start', warnings: [] });
            controller.enqueue({ type: 'text-start', id: '1' });
            for (const word of said.split(' ')) controller.enqueue({ type: 'text-delta', id: '1', delta: `${word} ` });
            controller.enqueue({ type: 'text-end', id: '1' });
            controller.enqueue({ type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage });
            controller.close();
          },
        }),
      };
    },
  });
}
