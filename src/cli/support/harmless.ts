/**
 * Settings whose values a bundle shows, by their place in a configuration file. All others are only said to be given or not:
 * a new setting says nothing until it is listed here. None may be a secret, name a host, a person, a tenant or a file.
 */
export const harmlessSettings: ReadonlySet<string> = new Set([
  'server.port',
  'server.workerPort',
  'server.bodyLimit',
  'server.bodyTimeout',
  'server.grace',
  'server.outcomeHeaders',
  'server.failuresPerMinute',
  'store.shards',
  'store.minReplicas',
  'store.allowUnsafe',
  'store.queueCap',
  'windows.slack',
  'windows.graph',
  'windows.teams',
  'windows.gmail',
  'keeper.every',
  'keeper.silentAfter',
  'maxAge',
  'retention',
  'audit.keep',
  'audit.every',
  'concurrency',
  'worker.lease',
  'worker.replyTimeout',
  'worker.restoredAt',
  'api.tokenMaxLife',
  'limits.connections',
  'limits.sourceConnections',
  'edge.shards',
  'edge.passOnOver',
  'logLevel',
  'agent.kind',
  'agent.maxSteps',
  'agent.maxInput',
  'agent.memory.turns',
  'agent.memory.bytes',
  'agent.memory.age',
  'guardrails.maxReplyChars',
  'guardrails.promptLeak',
]);

/** Fields of a log line whose values a bundle shows, where they are numbers, booleans or single words. */
export const harmlessFields: ReadonlySet<string> = new Set([
  ...['level', 'time', 'pid', 'role', 'port', 'channel', 'kind', 'code', 'reason', 'outcome', 'outcomes', 'status'],
  ...[
    'state',
    'attempt',
    'attempts',
    'generation',
    'ms',
    'ackMs',
    'latencyMs',
    'waitMs',
    'delayMs',
    'events',
    'surface',
  ],
  ...['items', 'count', 'bytes', 'setting', 'check', 'step', 'scope', 'resource', 'window', 'rule', 'shard', 'signal'],
]);

/** Fields of a log line that name something: shown as a digest of the bundle's own, so that lines can be put together. */
export const correlatedFields: ReadonlySet<string> = new Set([
  ...['requestId', 'eventId', 'tenant', 'conversation', 'run', 'agent', 'tool', 'subject', 'source', 'user', 'name'],
]);

/** Labels of metrics whose values are words of the gate. */
export const harmlessLabels: ReadonlySet<string> = new Set([
  ...['channel', 'outcome', 'reason', 'state', 'surface', 'scope', 'rule', 'code', 'le', 'kind', 'space', 'version'],
  ...['type', 'major', 'minor', 'patch', 'quantile', 'resource', 'check', 'status'],
]);
