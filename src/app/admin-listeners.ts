/**
 * Admin listeners: the TCP address and the unix socket that the configuration names now. Their
 * sockets belong to the supervisor, so that a successor takes them over.
 *
 * A1  one that cannot be opened is an error in the log, never a reason not to serve. It is tried
 *     again until it can be: the proxy before this one may hold it for as long as it drains.
 * A2  an address that is to speak TLS never speaks anything else, whatever goes wrong.
 */

import { isSame } from '../base/is-same.ts';
import type { Admin } from '../control/admin/admin.ts';
import { createAdmin } from '../control/admin/admin.ts';
import { isSameTlsMode } from '../control/admin/admin-tls.ts';
import type { AdminTls } from '../control/admin/admin-tls.ts';
import type { AdminHost } from '../control/admin/admin-api.ts';
import type { Logger } from '../control/admin/logger.ts';
import type { AdminConfig, CertificateConfig } from '../control/config/config.ts';
import { prepareAdminSocket } from './admin-socket.ts';
import type { BrokerClient } from './broker-client.ts';
import type { SocketAddress } from './orders.ts';
import { ADMIN_WORKER, addressKey, addressText } from './socket-address.ts';

const RETRY_MS = 2_000;

export interface AdminListenersOptions {
  readonly broker: Pick<BrokerClient, 'want' | 'releaseAdmin'>;
  readonly logger: Logger;
  readonly host: AdminHost;
  /** Path of the main file; empty when there is none. */
  readonly configPath: string;
  /** For tests. */
  readonly retryMs?: number;
}

interface Open {
  readonly address: SocketAddress;
  readonly admin: Admin;
  readonly port: number;
  tls: AdminTls | null;
}

export class AdminListeners {
  private readonly options: AdminListenersOptions;
  private readonly open = new Map<string, Open>();
  /** By address, as they were told last. */
  private readonly problems = new Map<string, string>();
  private addresses: readonly SocketAddress[] = [];
  private retryTimer: NodeJS.Timeout | undefined;
  private last: Promise<void> = Promise.resolve();
  private isClosed = false;
  private token: string | null = null;
  private socketPath: string | null = null;
  /** Of the TCP address; a text says why there is none. */
  private tls: AdminTls | null | string = null;

  constructor(options: AdminListenersOptions) {
    this.options = options;
  }

  /**
   * Opens what is new, closes what is gone, replaces certificates.
   * @returns the TCP port, 0 without one
   */
  async use(config: AdminConfig, certificates: readonly CertificateConfig[]): Promise<number> {
    this.token = config.token;
    this.tls = tlsOf(config, certificates);
    this.addresses = this.addressesOf(config);
    await this.apply();
    const tcp = [...this.open.values()].find(({ address }) => address.kind === 'tcp');
    return tcp?.port ?? 0;
  }

  /** Stops listening; requests in progress get a moment. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.retryTimer);
    const all = [...this.open.values()];
    this.open.clear();
    await Promise.all(all.map(({ admin }) => admin.close()));
  }

  /** One call at a time. */
  private apply(): Promise<void> {
    this.last = this.last.then(() => this.reconcile());
    return this.last;
  }

  private async reconcile(): Promise<void> {
    const { addresses } = this;
    const keys = new Set(addresses.map(addressKey));
    for (const key of this.problems.keys()) if (!keys.has(key)) this.problems.delete(key);
    for (const [key, { address, admin }] of this.open) {
      const isWanted = keys.has(key);
      if (isWanted && this.keepsUp(key)) continue;
      this.open.delete(key);
      void admin.close();
      // Otherwise it is opened again at once: clients wait meanwhile.
      if (!isWanted) this.options.broker.releaseAdmin(address);
    }
    for (const address of addresses) {
      if (!this.open.has(addressKey(address))) await this.listen(address);
    }
    clearTimeout(this.retryTimer);
    if (this.problems.size === 0 || this.isClosed) return;
    const retryMs = this.options.retryMs ?? RETRY_MS;
    this.retryTimer = setTimeout(() => void this.apply(), retryMs).unref(); // A1
  }

  /** Takes what TLS is to be now. @returns false: that takes another server (A2) */
  private keepsUp(key: string): boolean {
    const open = this.open.get(key)!;
    const tls = open.address.kind === 'tcp' ? this.tls : null;
    if (typeof tls === 'string' || !isSameTlsMode(open.tls, tls)) return false;
    if (isSame(open.tls, tls)) return true;
    try {
      open.admin.replaceTls(tls);
    } catch {
      return false; // Opening it says why.
    }
    open.tls = tls;
    return true;
  }

  private addressesOf({ address, socket }: AdminConfig): SocketAddress[] {
    const addresses: SocketAddress[] = [];
    const { path, problem } = prepareAdminSocket(socket, this.options.configPath);
    if (problem !== null) this.options.logger.error('no admin socket', { error: problem });
    this.socketPath = path;
    if (path !== null) addresses.push({ kind: 'unix', host: path, port: 0 });
    if (address !== null) {
      addresses.push({ kind: address.kind, host: address.host, port: address.port });
    }
    return addresses;
  }

  private async listen(address: SocketAddress): Promise<void> {
    const { broker, logger, host } = this.options;
    const { kind, port } = address;
    const key = addressKey(address);
    if (this.isClosed) return;
    const tls = kind === 'tcp' ? this.tls : null;
    try {
      if (typeof tls === 'string') throw new Error(tls);
      const { fd } = await broker.want(address, ADMIN_WORKER);
      const bound = fd >= 0 ? { fd } : {};
      const admin = createAdmin({
        address:
          kind === 'unix'
            ? { kind, path: address.host, ...bound }
            : { kind, host: address.host, port, ...bound },
        tls,
        token: () => this.token,
        socketPath: () => this.socketPath,
        host,
        onError: (error) => logger.error('admin request failed', { error: String(error) }),
      });
      const listening = await admin.listen();
      if (this.isClosed) return void admin.close();
      this.open.set(key, { address, admin, port: listening, tls });
      if (!this.problems.delete(key)) return;
      logger.info('an admin listener is on after all', { address: addressText(address) });
    } catch (error) {
      const { message } = error as Error;
      if (this.problems.get(key) === message) return;
      this.problems.set(key, message);
      logger.error('an admin listener is off', { address: addressText(address), error: message });
    }
  }
}

/** A2: a text says what is missing. */
function tlsOf(
  { tls }: AdminConfig,
  certificates: readonly CertificateConfig[],
): AdminTls | null | string {
  if (tls === null) return null;
  const node = certificates.find(({ name }) => name === tls.certificate);
  const pair = node?.pairs[0];
  if (pair === undefined) return `the certificate ${tls.certificate} is not there`;
  return { chain: pair.chain, key: pair.key, names: pair.names, clientCas: tls.clientCa };
}
