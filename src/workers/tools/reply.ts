import * as z from 'zod';
import { defineTool } from './tool.ts';

/** Says the run's reply and ends the run; the reply then passes the checks of every reply. */
export const replyTool = defineTool({
  name: 'reply',
  description: 'Sends your final answer to the user and ends the task.',
  input: z.strictObject({ text: z.string().trim().min(1) }),
  effect: 'none',
  isFinal: true,
  run: ({ text }) => text,
});
