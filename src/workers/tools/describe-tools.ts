import { z } from 'zod';
import { isJsonObject, type JsonValue } from '../../core/json/json.ts';
import type { Tool } from './tool.ts';
import type { ToolDescription } from './toolbox.ts';

/**
 * Tools as a model is told of them. @throws TypeError for a schema that is no object or cannot be written as JSON Schema
 */
export const describeTools = (tools: readonly Tool[]): readonly ToolDescription[] =>
  tools.map(({ name, description, input }) => ({ name, description, inputSchema: schemaOf(name, input) }));

function schemaOf(name: string, input: z.ZodType): ToolDescription['inputSchema'] {
  // As the model writes it, before defaults and transforms.
  const { $schema: _, ...schema } = z.toJSONSchema(input, { io: 'input' }) as Record<string, JsonValue>;
  if (!isJsonObject(schema) || schema.type !== 'object') throw new TypeError(`the input of tool ${name} is no object`);
  return schema;
}
