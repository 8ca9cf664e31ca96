/**
 * A small HTTP server for an operator's tools on loopback: GET only, answers made at once, no bodies taken.
 */
import { createServer } from 'node:http';
import type { Http } from './ports.ts';

export const http: Http = {
  serve: (at, answer) =>
    new Promise((resolve, reject) => {
      const server = createServer(
        { requestTimeout: 5000, headersTimeout: 5000, maxHeaderSize: 8192 },
        (request, response) => {
          const { status, type, body } =
            request.method === 'GET'
              ? answer(request.url ?? '/')
              : { status: 405, type: 'text/plain', body: 'only GET\n' };
          response.writeHead(status, { 'content-type': type, connection: 'close' }).end(body);
        },
      );
      server.maxConnections = 64;
      server.once('error', reject);
      server.listen(at.port, at.address, () => {
        server.off('error', reject);
        const bound = server.address();
        resolve({
          port: typeof bound === 'object' && bound !== null ? bound.port : at.port,
          close: () => void server.close(),
        });
      });
    }),
};
