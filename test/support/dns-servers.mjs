// Preloaded into the proxy by a test: names are asked of the server in TEST_DNS_SERVER.
import dns from 'node:dns';

const server = process.env['TEST_DNS_SERVER'];
if (server !== undefined) {
  const Resolver = dns.promises.Resolver;
  dns.promises.Resolver = class extends Resolver {
    constructor(options) {
      super(options);
      this.setServers([server]);
    }
  };
}
