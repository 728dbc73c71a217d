import { resolve } from 'node:path';
import { readConfigFile } from '../config/file.node.ts';
import { ConfigFileError } from '../config/load-failure.node.ts';
import { settingAt } from '../config/variables.ts';
import { oneLine } from './error-line.ts';
import { EXIT, Exit, type Io } from './io.ts';

/** Where a command runs. */
export type Place = Pick<Io, 'environment' | 'folder'>;

const known = new WeakMap<Place, Promise<unknown>>();

/**
 * The value of the configuration file, unchecked; undefined where there is none. Read once for each command.
 * @throws Exit 78 when it cannot be read
 */
export function configurationFile(place: Place): Promise<unknown> {
  const file = known.get(place) ?? readFile(place);
  known.set(place, file);
  return file;
}

const readFile = ({ folder, environment }: Place): Promise<unknown> =>
  readConfigFile(folder, environment.SALLYPORT_CONFIG).catch((error: unknown) => {
    throw new Exit(
      EXIT.config,
      error instanceof ConfigFileError ? explained(error) : 'the configuration file is unreadable',
    );
  });

/** Where `dev` keeps what it makes when nothing says another folder. */
const DEFAULT_FOLDER = '.sallyport';

/**
 * The folder of the embedded store, in which `dev` keeps what it makes: `SALLYPORT_DATA_DIR`, else `store.dataDir` of the
 * configuration file, else `.sallyport`.
 * @throws Exit 78 when the configuration file cannot be read
 */
export async function dataFolderOf(place: Place): Promise<string> {
  const { environment, folder } = place;
  if (environment.SALLYPORT_DATA_DIR) return resolve(folder, environment.SALLYPORT_DATA_DIR);
  const inFile = settingAt(await configurationFile(place), ['store', 'dataDir']);
  return resolve(folder, typeof inFile === 'string' && inFile !== '' ? inFile : DEFAULT_FOLDER);
}

/** Longest message of an error that is shown. Some quote whole documents. */
const MESSAGE_CHARS = 500;

/** What went wrong in the file and where. Whatever is quoted of it passes the scrubber. */
function explained({ message, failure }: ConfigFileError): string {
  if (failure === null) return message;
  const said = oneLine(failure.message.slice(0, MESSAGE_CHARS));
  return [said === '' ? message : `${message}: ${said}`, ...failure.frame.map((line) => `  ${oneLine(line)}`)].join(
    '\n',
  );
}
