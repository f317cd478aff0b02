/**
 * The world as the configuration sees it: files, patterns and variables, all injected, so that
 * loading is a pure function of what the source answers.
 */

/** A file that is missing or cannot be read, or a folder that cannot be listed. */
export interface Unreadable {
  /** Why, in a few words: `there is no such file`, `permission denied`. */
  readonly problem: string;
}

/** Where text comes from. Paths are passed as written, already joined to the file's folder. */
export interface ConfigSource {
  /**
   * Whole text of a file, or why it cannot be read.
   * @param user configuration file whose node names it; absent for configuration files themselves
   *             and for what is read while one is interpolated
   */
  readFile(path: string, user?: string): string | Unreadable;
  /**
   * Paths that match `pattern` inside `folder`, sorted, each ready for `readFile`. None where a
   * folder does not exist; a folder that cannot be listed is a problem, for its files may be there.
   * @param user as above; absent for configuration files that are included
   */
  glob(pattern: string, folder: string, user?: string): string[] | Unreadable;
  /** Value of an environment variable; undefined when it is not set. */
  env(name: string): string | undefined;
}

/** Folder of `path` without a trailing slash; `.` when it has none. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : path.slice(0, slash);
}

/** `path` seen from `folder`; absolute paths stay as they are. */
export function joinPath(folder: string, path: string): string {
  if (path.startsWith('/') || folder === '.') return path;
  return folder.endsWith('/') ? folder + path : `${folder}/${path}`;
}
