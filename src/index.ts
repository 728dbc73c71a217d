// Kept in the declarations: they use Node's types, whatever `types` the reading project sets.
/// <reference types="node" preserve="true" />
/** The library: what a `sallyport.config.ts` imports. */
export { defineConfig } from './config/define.ts';
export type { Config, ConfigInput } from './config/schema.ts';
export type { InboundEvent } from './core/event.ts';
export type { Agent, AgentContext, AgentOutcome, Task } from './workers/agent.ts';
export { type BoltAgentOptions, boltAgent, boltReceiver } from './workers/agents/bolt/define.ts';
export { type AgentDefinition, defineAgent } from './workers/agents/definition.ts';
export type { Guardrail, GuardrailSubject, Verdict } from './workers/guardrails/guardrail.ts';
export { ToolRefusal } from './workers/tools/refusal.ts';
export { defineTool, type Tool, type ToolContext, type ToolEffect } from './workers/tools/tool.ts';
