import { realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { isUnsafeOption, isUnsafeProgram } from './programs.ts';

const path = z
  .string({ error: 'must be an absolute path, or { path, options }' })
  .regex(/^\/[\x21-\x7e]{1,500}$/, { message: 'must be an absolute path' });

const option = z.string().regex(/^[-+@][\x21-\x7e]{1,100}$/, {
  message: 'must be an option as it is written, like -l or --max-count',
});

const fields = z.strictObject({
  path,
  /** What a model may give it, as it is written: `-l`, `--max-count`, `--color=never`. */
  options: z.array(option).max(100).default([]),
});

const program = fields.superRefine((given, context) => {
  const name = basename(given.path);
  if (isUnsafeProgram(name, basename(targetOf(given.path)))) {
    const message =
      'runs code, other programs or network requests by design; remove it, and offer what you need as a tool of your own (defineTool) or as a program that takes no code';
    context.addIssue({ code: 'custom', path: ['path'], message });
  }
  for (const [i, one] of given.options.entries()) {
    if (!isUnsafeOption(name, one)) continue;
    const message =
      'allows this program to start others, to delete, or to write or read files by other names; remove it';
    context.addIssue({ code: 'custom', path: ['options', i], message });
  }
});

/** A path stands for a program without options. */
export const programSchema = z
  .custom<string | z.input<typeof fields>>(() => true)
  .transform((given) => (typeof given === 'object' ? given : { path: given }))
  .pipe(program);

/** What a link leads to. A program that is not on this machine (the worker's image has it) is judged by its own name. */
function targetOf(from: string): string {
  try {
    return realpathSync(from);
  } catch {
    return from;
  }
}
