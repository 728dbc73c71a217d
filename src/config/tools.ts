import { z } from 'zod';
import { bytes, durationBetween, hostPattern, integer, listOf } from '../core/setting-values.ts';
import { programSchema } from './program.node.ts';

const programName = z.string().regex(/^[a-z][a-z0-9_.+-]{0,30}$/, { message: 'must be a short name like wc or sort' });

/** Of `fetch_url`. */
export const fetchUrlSchema = z.strictObject({
  /** What it may fetch from; absent: every public host. */
  hosts: listOf(hostPattern).optional(),
});

/** Tools whose settings are the same for every agent, unless it has its own. */
export const toolsSchema = z
  .strictObject({
    fetchUrl: fetchUrlSchema.prefault({}),
    workspace: z
      .strictObject({
        /** Where the folders of runs are made; default: `workspaces` in the data folder. */
        folder: z.string().min(1).optional(),
        /** Of all files of a run together. */
        size: bytes.prefault('10MiB'),
        files: integer(1, 10_000).default(200),
        /** What `workspace_run` may start: a path, or `{ path, options }` with the options a model may give. */
        programs: z.record(programName, programSchema).default({}),
        /** For one program. */
        timeout: durationBetween('100ms', '10m').prefault('30s'),
      })
      .prefault({}),
  })
  .prefault({});
