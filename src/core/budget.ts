import * as z from 'zod';

/** What is counted. `usdMicros`: micro-dollars; `tokens`: input and output together. */
export const resources = ['usdMicros', 'tokens', 'modelCalls', 'toolCalls', 'runs', 'seconds'] as const;
export type Resource = (typeof resources)[number];

/** Whose use is counted, from the widest to the narrowest. */
export const scopeKinds = ['global', 'tenant', 'channel', 'user', 'conversation', 'run'] as const;
export type ScopeKind = (typeof scopeKinds)[number];

/** For how long it is counted: one run (all attempts of a generation), or a part of the UTC calendar. */
export const budgetWindows = ['run', 'hour', 'day', 'month'] as const;
export type BudgetWindow = (typeof budgetWindows)[number];

/** Whole numbers, 0 or more. */
export type Amounts = { readonly [R in Resource]?: number };

/** What may be used in one window. `unlimited` is counted and never refused; it has to be written. */
export type Max = number | 'unlimited';

/** The limits of one scope. */
export type Limits = { readonly [R in Resource]?: { readonly [W in BudgetWindow]?: Max | undefined } | undefined };
export type BudgetLimits = { readonly [S in ScopeKind]?: Limits | undefined };

/** 10^15: sums of a few still fit a double, and it is a thousand million dollars. */
const GREATEST = 1e15;

/** @see Max */
export const maxSchema = z.union([z.int().min(0).max(GREATEST), z.literal('unlimited')]);

const shapeOf = <T extends z.ZodType>(windows: T) =>
  z.strictObject({
    usdMicros: windows.optional(),
    tokens: windows.optional(),
    modelCalls: windows.optional(),
    toolCalls: windows.optional(),
    runs: windows.optional(),
    seconds: windows.optional(),
  });

const calendarLimits = shapeOf(
  z.strictObject({ hour: maxSchema.optional(), day: maxSchema.optional(), month: maxSchema.optional() }),
);
/** A run is one run; there is nothing to limit. */
const runLimits = shapeOf(z.strictObject({ run: maxSchema.optional() })).omit({ runs: true });

/** Limits of a scope as the API takes and stores keep them. A run has only its own window; nothing else has that one. */
export const limitsSchema = (scope: ScopeKind): z.ZodType<Limits> => (scope === 'run' ? runLimits : calendarLimits);

/** `over` laid over `base`, window by window. */
function mergeLimits(base: Limits, over: Limits): Limits {
  const merged: Record<string, Limits[Resource]> = { ...base };
  for (const resource of resources) {
    const windows = over[resource];
    if (windows !== undefined) merged[resource] = { ...base[resource], ...windows };
  }
  return merged;
}

/** `over` laid over `base`, scope by scope. */
export const mergeBudgets = (base: BudgetLimits, over: BudgetLimits): BudgetLimits =>
  Object.fromEntries(scopeKinds.map((scope) => [scope, mergeLimits(base[scope] ?? {}, over[scope] ?? {})]));

/** Both at once: of each resource and window the lower limit. */
export function narrowest(a: Limits, b: Limits): Limits {
  const lowest: { -readonly [R in Resource]?: Limits[R] } = { ...a };
  for (const { resource, window, max: most } of limitsOf(b)) {
    const other = a[resource]?.[window];
    const isLower = other === undefined || other === 'unlimited' || (most !== 'unlimited' && most < other);
    if (isLower) lowest[resource] = { ...lowest[resource], [window]: most };
  }
  return lowest;
}

/** One limit as it stands: `max` of a resource in a window. */
export interface Limit {
  readonly resource: Resource;
  readonly window: BudgetWindow;
  readonly max: Max;
}

/** The limits of a scope one by one, in a fixed order. */
export function limitsOf(limits: Limits): Limit[] {
  return resources.flatMap((resource) =>
    budgetWindows.flatMap((window) => {
      const most = limits[resource]?.[window];
      return most === undefined ? [] : [{ resource, window, max: most }];
    }),
  );
}
