import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/**
 * What `openat(2)` does, which Node does not offer: a name below a folder that is already open. Linux resolves the first
 * part to the open folder itself, wherever its path leads by now, so a folder that is exchanged for a link while we are on
 * our way leads nowhere.
 */
export const below = (folder: FileHandle, name = ''): string => `/proc/self/fd/${folder.fd}/${name}`;

/** Opens a folder, and nothing else, through no link. */
export const openFolder = (path: string): Promise<FileHandle> => open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
