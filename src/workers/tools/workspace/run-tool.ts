import * as z from 'zod';
import { ToolRefusal } from '../refusal.ts';
import { defineTool, type Tool } from '../tool.ts';
import { runProgram } from './run-program.ts';
import { survey } from './survey.ts';
import type { WorkspaceOptions } from './workspace-options.ts';

const MAX_ARGUMENTS = 32;
/** Of each of a program's two outputs: both together are half of what a result may have. */
const OUTPUT_BYTES = 16 * 1024;

/** Starts one of the configured programs in the run's folder. */
export function runTool({ folders, programs, programTimeoutMs, maxBytes, maxFiles }: WorkspaceOptions): Tool {
  const limits = {
    timeoutMs: programTimeoutMs,
    cpuSeconds: Math.ceil(programTimeoutMs / 1000),
    fileBytes: maxBytes,
    outputBytes: OUTPUT_BYTES,
  };
  return defineTool({
    name: 'workspace_run',
    description: `Runs a program in the workspace, without a shell: each argument is passed as it is.${told(programs)}`,
    input: z.strictObject({
      program: z.enum(Object.keys(programs)),
      arguments: z.array(z.string().max(4096)).max(MAX_ARGUMENTS).default([]),
    }),
    effect: 'none',
    isLocal: true,
    auditedArguments: ['program'],
    maxCalls: 10,
    timeoutMs: programTimeoutMs + 5_000,
    async run({ program: name, arguments: given }, { signal, run }) {
      const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
      if (program === undefined) throw new ToolRefusal('there is no such program');
      checkArguments(given, program.options);
      const folder = await folders.of(run);
      const before = await survey(folder, maxFiles * 2);
      if (before.isCut || before.bytes > maxBytes) throw new ToolRefusal('the workspace is full');
      const ended = await runProgram({ program: program.path, arguments: given, folder, signal }, limits);
      // Links and special files a program left would lead the next reader out.
      const { removed } = await survey(folder, maxFiles * 2);
      return { ...ended, ...(removed > 0 && { removedLinks: removed }) };
    },
  });
}

/** So that a model need not guess which options will be refused. */
const told = (programs: WorkspaceOptions['programs']): string =>
  Object.entries(programs)
    .map(([name, { options }]) => `\n${name}: ${optionRule(options)}`)
    .join('');

/** `--name=` of an option, before the value that may be a path. */
const OPTION = /^--?[A-Za-z0-9][\w-]{0,63}=/;

/** Where a path could begin inside an argument: after anything that is not part of a name. */
const ABSOLUTE_INSIDE = /(?:^|[^\p{L}\p{N}_.-])[/~]/u;
const PARENT = /(?:^|[^\p{L}\p{N}_.-])\.\.(?:$|[^\p{L}\p{N}_.-])/u;
const UNCLEAN = /[\u0000\\]/;

/**
 * Refuses what could name a file outside the folder: absolute paths, also behind an option or inside a list, `..`, home
 * folders, NUL and backslashes; and every option that is not among `options`. An option begins with `-`, with `+` (older
 * programs) or with `@` (a file of further arguments), before and after `--`, because not every program heeds that. Its
 * value is an argument of its own, or follows `=` after a long name. Nothing else is read into an argument: no bundle of
 * letters, no abbreviation. @throws ToolRefusal
 */
function checkArguments(given: readonly string[], options: readonly string[]): void {
  for (const argument of given) {
    const value = argument.replace(OPTION, '');
    const isGlued = value.startsWith('-') && (value.includes('/') || value.includes('..'));
    if (isGlued || UNCLEAN.test(value) || ABSOLUTE_INSIDE.test(value) || PARENT.test(value)) {
      throw new ToolRefusal('arguments may only name files of the workspace, by relative paths');
    }
    if (isOption(argument) && !isListed(argument, options)) throw new ToolRefusal(optionRule(options));
  }
}

/** `-` is standard input, which is empty, and `--` ends options: neither makes a program do anything. */
const isOption = (argument: string): boolean => /^[-+@]/.test(argument) && argument !== '-' && argument !== '--';

function isListed(argument: string, options: readonly string[]): boolean {
  const [name = '', value] = argument.startsWith('--') ? splitOnce(argument) : [argument];
  return options.includes(argument) || (value !== undefined && options.includes(name));
}

function splitOnce(argument: string): readonly [string, string?] {
  const at = argument.indexOf('=');
  return at === -1 ? [argument] : [argument.slice(0, at), argument.slice(at + 1)];
}

/** What a model is told, before and after it gets it wrong. */
const optionRule = (options: readonly string[]): string =>
  options.length === 0
    ? 'this program takes no options: no argument may begin with -, + or @'
    : `this program takes these options and no others, each as an argument of its own: ${options.join(' ')}`;
