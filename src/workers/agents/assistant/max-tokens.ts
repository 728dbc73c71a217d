/** What a request may call the limit of an answer. Both bound all tokens that are paid for, those of reasoning included. */
export type MaxTokensField = 'max_tokens' | 'max_completion_tokens';

/**
 * OpenAI's o-series and GPT-5 and later, also as a fine-tuned model (`ft:`). They answer 400 (`unsupported_parameter`) to
 * `max_tokens` (platform.openai.com, "Create chat completion"); most other servers know no other name.
 */
const COMPLETION = /^(?:ft:)?(?:o[1-9]\d?|gpt-(?:[5-9]|[1-9]\d))(?:$|[-.:@])/;

/** By the model's name, without the provider that a router has before it (`openai/gpt-5-mini`). */
const maxTokensFieldOf = (model: string): MaxTokensField =>
  COMPLETION.test(model.slice(model.lastIndexOf('/') + 1).toLowerCase()) ? 'max_completion_tokens' : 'max_tokens';

/** The body of a request with its limit under the name that its model takes. `field` decides for every model. */
export function nameLimit(
  { max_tokens: limit, ...body }: Readonly<Record<string, unknown>>,
  field: MaxTokensField | undefined,
): Record<string, unknown> {
  return limit === undefined ? body : { ...body, [field ?? maxTokensFieldOf(String(body.model))]: limit };
}
