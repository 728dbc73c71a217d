/** What the rooms need of a logger: one wide line per stage, named `stage.verb-ed`, with flat fields. */
export interface Logger {
  debug(fields: LogFields, name: string): void;
  info(fields: LogFields, name: string): void;
  warn(fields: LogFields, name: string): void;
  error(fields: LogFields, name: string): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** Says nothing; for tests and for code that may run without a log. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
