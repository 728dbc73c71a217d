/** What a request may call the limit of an answer. Both bound all tokens that are paid for, those of reasoning included. */
export type MaxTokensField = 'max_tokens' | 'max_completion_tokens';

/** How the limit of an answer is named in the requests to one endpoint. */
export interface LimitNaming {
  /** The body of a request with its limit under the name that its model takes. */
  nameLimit(body: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /**
   * A client that sends a request once more under the other name when the endpoint refuses the first one. What was refused
   * was not served, so the two are one call.
   */
  overFetch(fetch: typeof globalThis.fetch): typeof globalThis.fetch;
}

/**
 * `field` decides for every model. Absent: the model's name decides, until the endpoint refuses that for a model; the other
 * name is then used for it as long as the process runs.
 */
export function createLimitNaming(field: MaxTokensField | undefined): LimitNaming {
  // One entry a configured model at most.
  const learnt = new Map<unknown, MaxTokensField>();
  const fieldOf = (model: unknown): MaxTokensField => field ?? learnt.get(model) ?? fieldByName(String(model));
  return {
    nameLimit: ({ max_tokens: limit, ...body }) =>
      limit === undefined ? body : { ...body, [fieldOf(body.model)]: limit },
    overFetch: (fetch) => async (input, init) => {
      const response = await fetch(input, init);
      if (field !== undefined || response.status !== 400 || typeof init?.body !== 'string') return response;
      const { model, ...body } = JSON.parse(init.body) as Record<string, unknown>;
      const used = fieldOf(model);
      if (!isRefusalOf(used, await response.clone().text())) return response;
      const other = used === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens';
      const { [used]: limit, ...rest } = body;
      const answer = await fetch(input, { ...init, body: JSON.stringify({ model, ...rest, [other]: limit }) });
      if (answer.ok) learnt.set(model, other);
      return answer;
    },
  };
}

/**
 * OpenAI's o-series and GPT-5 and later, also as a fine-tuned model (`ft:`). They answer 400 (`unsupported_parameter`) to
 * `max_tokens` (platform.openai.com, "Create chat completion"); most other servers know no other name.
 */
const COMPLETION = /^(?:ft:)?(?:o[1-9]\d?|gpt-(?:[5-9]|[1-9]\d))(?:$|[-.:@])/;

/** By the model's name, without the provider that a router has before it (`openai/gpt-5-mini`). */
const fieldByName = (model: string): MaxTokensField =>
  COMPLETION.test(model.slice(model.lastIndexOf('/') + 1).toLowerCase()) ? 'max_completion_tokens' : 'max_tokens';

/** OpenAI has a code for it; Azure's versions before 2024-09 say it in words. */
const isRefusalOf = (field: MaxTokensField, answer: string): boolean =>
  answer.includes(field) &&
  (answer.includes('unsupported_parameter') || answer.includes('Unrecognized request argument'));
