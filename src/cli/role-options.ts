import { Option } from 'commander';
import { integer } from '../core/setting-values.ts';
import { EXIT, Exit, type Io } from './io.ts';

export interface RoleOptions {
  readonly port?: string;
  readonly config?: string;
}

export const portOption = (): Option =>
  new Option('--port <n>', 'where to listen, before every setting; 0: a free port');

export const configOption = (): Option => new Option('--config <file>', 'the configuration file (SALLYPORT_CONFIG)');

/** The environment of a role with what its options set. `variable` names its port. @throws Exit 2 for a port that is none */
export function withRoleOptions(io: Io, { port, config }: RoleOptions, variable: string): Io {
  if (port !== undefined && !integer(0, 65_535).safeParse(port).success) {
    throw new Exit(EXIT.usage, '--port: must be a whole number from 0 to 65535');
  }
  const given = { ...(port !== undefined && { [variable]: port }), ...(config && { SALLYPORT_CONFIG: config }) };
  return { ...io, environment: { ...io.environment, ...given } };
}
