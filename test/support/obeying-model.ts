import type { LlmAnswer, LlmRequest } from '../../src/testing/agents/llm-server.ts';

const rot13 = (text: string): string =>
  text.replace(/[a-z]/gi, (c) => String.fromCharCode((((c.charCodeAt(0) & 31) + 12) % 26) + (c < 'a' ? 65 : 97)));
const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8');

/** Everything that is to be read as an instruction, disguises taken off. */
const unveiled = (text: string): string =>
  text
    .replace(/BASE64\(([^)]*)\)/g, (_, inner: string) => `\n${decode(inner)}\n`)
    .replace(/ROT13\(([^)]*)\)/g, (_, inner: string) => `\n${rot13(decode(inner))}\n`)
    .replace(/REVERSED\(([^)]*)\)/g, (_, inner: string) => `\n${[...decode(inner)].reverse().join('')}\n`);

type Directive =
  | { readonly kind: 'CALL' | 'LOOP'; readonly tool: string; readonly input: string }
  | { readonly kind: 'SAY'; readonly text: string };

function directivesIn(text: string): Directive[] {
  return unveiled(text)
    .split(/\n(?=(?:CALL|LOOP|SAY) )|(?<=^)(?=(?:CALL|LOOP|SAY) )/m)
    .flatMap((part): Directive[] => {
      const [, kind, tool = '', input = ''] = /^(CALL|LOOP) (\S+) (.*)/.exec(part) ?? [];
      if (kind === 'CALL' || kind === 'LOOP') return [{ kind, tool, input }];
      // One line, in which `\\n` stands for another.
      const [, text] = /^SAY (.*)/.exec(part) ?? [];
      return text === undefined ? [] : [{ kind: 'SAY', text: text.replaceAll('\\n', '\n') }];
    });
}

const forms: Readonly<Record<string, (text: string) => string>> = {
  base64: (text) => Buffer.from(text).toString('base64'),
  hex: (text) => Buffer.from(text).toString('hex'),
  reverse: (text) => [...text].reverse().join(''),
  spaced: (text) => [...text].join(' '),
  rot13,
};

/** A model that does whatever it reads, wherever it stands: in the message, a page it fetched, a task it was given. */
export function obey({ messages }: LlmRequest): LlmAnswer {
  const system = String(messages.find(({ role }) => role === 'system')?.content ?? '');
  const read = messages.filter(({ role }) => role === 'user' || role === 'tool').map(({ content }) => String(content));
  const framed = read.length > 1 ? (read.at(-1) ?? '') : '';
  const result = framed.replace(/^<data-[^>]*>\n/, '').replace(/\n<\/data-[0-9a-f]*>$/, '');
  const made = messages.reduce((sum, { tool_calls: calls = [] }) => sum + calls.length, 0);
  const fill = (text: string): string =>
    text
      .replace(/\{SYSTEM(?::(\w+))?\}/g, (_, form?: string) =>
        form === undefined ? system : (forms[form]?.(system) ?? ''),
      )
      .replaceAll('{RESULT}', () => result);
  const directives = read.flatMap(directivesIn);
  const loop = directives.find(({ kind }) => kind === 'LOOP');
  const next = directives[made] ?? loop ?? directives.findLast(({ kind }) => kind === 'SAY');
  if (next === undefined) return { text: 'I did everything.' };
  if (next.kind === 'SAY') return { text: fill(next.text) };
  const input = next.input.replaceAll('#', String(made));
  const filled = JSON.stringify(JSON.parse(input), (_, value: unknown) =>
    typeof value === 'string' ? fill(value) : value,
  );
  return { calls: [{ name: next.tool, arguments: filled }] };
}
