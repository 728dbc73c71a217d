import type { APICallError } from 'ai';
import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import type { ErrorDetail } from '../../../core/errors.ts';

/** Codes and names of parameters are identifiers; numbers, sentences and what a prompt holds are none. */
const word = z.string().regex(/^[A-Za-z_]{2,32}$/);
const optional = word.optional().catch(undefined);

/** OpenAI's shape, which most servers copy: `code` is the most exact, and some have only `type`. */
const answer = z.looseObject({ error: z.looseObject({ code: optional, type: optional, param: optional }) });

/**
 * What an error keeps of a model endpoint's refusal: its code, with the parameter it is about
 * (`unsupported_parameter:max_tokens`), and its status. Its text may quote the prompt and is not kept.
 */
export function detailOfEndpoint({ statusCode: status, responseBody = '' }: APICallError): ErrorDetail {
  const { code, type, param } = read(responseBody) ?? {};
  const name = code ?? type ?? `http_${status}`;
  return { reason: param === undefined ? name : `${name}:${param}`, ...defined({ status }) };
}

function read(body: string): z.infer<typeof answer>['error'] | undefined {
  try {
    return answer.safeParse(JSON.parse(body)).data?.error;
  } catch {
    return undefined;
  }
}
