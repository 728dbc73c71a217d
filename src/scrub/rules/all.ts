import { codeHostRules } from './code-hosts.ts';
import { privateKeyRules } from './private-keys.ts';
import type { ContextRule, TokenRule } from './rule.ts';
import { urlRules } from './urls.ts';

export const tokenRules: readonly TokenRule[] = [...codeHostRules, ...privateKeyRules, ...urlRules];

export const contextRules: readonly ContextRule[] = [];
