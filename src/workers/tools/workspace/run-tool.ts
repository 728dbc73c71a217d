import { z } from 'zod';
import { ToolRefusal } from '../refusal.ts';
import { defineTool, type Tool } from '../tool.ts';
import { checkArguments, optionRule } from './program-arguments.ts';
import { runProgram } from './run-program.ts';
import { survey } from './survey.ts';
import type { WorkspaceDeps, WorkspaceOptions } from './workspace-deps.ts';

const MAX_ARGUMENTS = 32;
/** Of each of a program's two outputs: both together are half of what a result may have. */
const OUTPUT_BYTES = 16 * 1024;

/** Starts one of the configured programs in the run's folder. */
export function runTool({ options, folderOf }: WorkspaceDeps): Tool {
  const { programs, programTimeoutMs, maxBytes, maxFiles } = options;
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
      const folder = await folderOf(run);
      const before = await survey(folder, maxFiles * 2);
      if (before.isCut || before.bytes > maxBytes) throw new ToolRefusal('the workspace is full');
      const ended = await runProgram({ program: program.path, arguments: given, folder, signal }, limits);
      // Links and special files a program left would lead the next reader out.
      const { removed } = await survey(folder, maxFiles * 2);
      return { ...ended, ...(removed === 0 ? {} : { removedLinks: removed }) };
    },
  });
}

/** So that a model need not guess which options will be refused. */
const told = (programs: WorkspaceOptions['programs']): string =>
  Object.entries(programs)
    .map(([name, { options }]) => `\n${name}: ${optionRule(options)}`)
    .join('');
