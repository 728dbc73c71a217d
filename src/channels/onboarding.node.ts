import * as z from 'zod';
import { settingOf } from '../core/setting.ts';

/** What is known when a channel is set up. */
export interface OnboardingContext {
  readonly tenant: string;
  /** Where vendors reach the gate: an https origin, without a slash at the end. */
  readonly url: string;
  /** What is configured of the channel so far. None of it has been checked, and most of it may be missing. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface ManifestRequest extends OnboardingContext {
  /** What the app is called. */
  readonly name: string;
  /** The channel's own options of the command, by name. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The description of an app that a vendor takes. */
export interface Manifest {
  readonly content: string | Uint8Array;
  /** Opens the vendor's form with the manifest filled in. */
  readonly link?: string;
  /** What to do with it, one step a line. */
  readonly next: readonly string[];
}

/** A step at the vendor. */
export interface SetupStep {
  readonly title: string;
  /** Why it is needed, a sentence a line: each permission has its reason. */
  readonly why: readonly string[];
  /** For a POSIX shell, a line each; later steps may use the variables of earlier ones. Absent: there is no command for it. */
  readonly commands?: readonly string[];
}

export interface Setup {
  readonly steps: readonly SetupStep[];
  /** Variables that the commands themselves append to `.env`. */
  readonly appended: readonly string[];
}

/** A value as one word of a POSIX shell. */
export const shellWord = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`;

/** A program that can answer in one channel only, and that `init` can write. */
export interface AgentTemplate {
  /** Packages it needs beside `sallyport`. */
  readonly packages: readonly string[];
  /** The agent's file, in TypeScript. */
  readonly file: { readonly name: string; readonly text: string };
  /** The entry of `agents` in the configuration, and what it imports from `sallyport`. */
  readonly entry: string;
  readonly imports: readonly string[];
  /** How to get the first reply, one step a line. */
  readonly next: readonly string[];
}

/** How a channel is set up at its vendor: loaded by `manifest`, `setup` and `init` alone. */
export interface Onboarding {
  /** The variables to set, in the order in which their values become known. */
  readonly environment: readonly string[];
  /** @throws OnboardingError when something is missing */
  manifest?(request: ManifestRequest): Manifest;
  /** @throws OnboardingError when something is wrong */
  setup?(context: OnboardingContext): Setup;
  /** By the name that `init --agent` takes: those of the module's `onboarding.agents`. */
  readonly agents?: Readonly<Record<string, AgentTemplate>>;
}

/** Why a channel cannot be described; the command ends with the exit code of its kind. */
export class OnboardingError extends Error {
  readonly kind: 'config' | 'usage';

  constructor(kind: OnboardingError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * One setting of an incomplete configuration; undefined where it is not set.
 * @throws OnboardingError when it is set to something that the gate would refuse
 */
export function readSetting<Shape extends z.ZodRawShape, Name extends keyof Shape & string>(
  { shape }: z.ZodObject<Shape>,
  name: Name,
  settings: OnboardingContext['settings'],
): z.output<Shape[Name]> | undefined {
  if (settings[name] === undefined) return undefined;
  const schema = shape[name] as Shape[Name] & z.ZodType;
  const parsed = z.safeParse(schema, settings[name]);
  if (parsed.success) return parsed.data as z.output<Shape[Name]>;
  const [issue] = parsed.error.issues;
  throw new OnboardingError('config', `${settingOf(schema)?.env ?? name}: ${issue?.message ?? 'is not valid'}`);
}
