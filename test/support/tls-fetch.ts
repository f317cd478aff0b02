/**
 * One HTTP request over TLS, with what its handshake came to: the client of tests that look at
 * certificates, versions and alerts.
 */

import tls from 'node:tls';

export interface TlsFetchOptions extends tls.ConnectionOptions {
  readonly port: number;
  /** Empty: no name is said. */
  readonly servername?: string;
  /** The Host field; the server name otherwise. */
  readonly host?: string;
  readonly path?: string;
  /** Requests on the one connection, one after the other; hosts of each. */
  readonly hosts?: readonly string[];
}

export interface TlsFetched {
  /** Everything received, as Latin-1. */
  readonly text: string;
  readonly statuses: readonly number[];
  /** Names of the certificate that the server has shown. */
  readonly names: string;
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly isReused: boolean;
  readonly fingerprint: string;
}

/** Resolves when the server has ended the connection; rejects with what broke the handshake. */
export function fetchTls(options: TlsFetchOptions): Promise<TlsFetched> {
  const { servername = 'a.test', path = '/', hosts, host, ...rest } = options;
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: false,
      ...rest,
      host: '127.0.0.1',
      ...(servername === '' ? {} : { servername }),
    });
    let text = '';
    let shown: Omit<TlsFetched, 'text' | 'statuses'> | null = null;
    socket.setTimeout(8_000, () => {
      reject(new Error(`nothing more came after: ${text}`));
      socket.destroy();
    });
    socket.on('error', (error) => {
      if (text === '') reject(error);
    });
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('secureConnect', () => {
      shown = handshakeOf(socket);
      const wanted = hosts ?? [host ?? (servername === '' ? 'localhost' : servername)];
      wanted.forEach((one, at) => {
        const last = at === wanted.length - 1 ? 'Connection: close\r\n' : '';
        socket.write(`GET ${path} HTTP/1.1\r\nHost: ${one}\r\n${last}\r\n`);
      });
    });
    socket.on('close', () => {
      if (shown === null) reject(new Error('closed before the handshake had ended'));
      else resolve({ text, statuses: statusesOf(text), ...shown });
    });
  });
}

function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
}

function handshakeOf(socket: tls.TLSSocket): Omit<TlsFetched, 'text' | 'statuses'> {
  const certificate = socket.getPeerCertificate();
  return {
    names: certificate.subjectaltname ?? '',
    fingerprint: certificate.fingerprint256 ?? '',
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    alpn: socket.alpnProtocol === false ? '' : (socket.alpnProtocol ?? ''),
    isReused: socket.isSessionReused(),
  };
}
