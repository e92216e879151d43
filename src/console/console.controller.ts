import { Controller, Get, Param, Req, Res, SetMetadata, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type HttpRequest, ProblemException, Public } from '../guard/nest';
import { type Asset, assets } from './assets';

/** Nothing inline, and nothing from elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

/** What `@ApiExcludeController()` writes; the package is not loaded for it. */
const NOT_DOCUMENTED = SetMetadata('swagger/apiExcludeController', [true]);

type Addressed = HttpRequest & { readonly url?: string; readonly originalUrl?: string };

/** A controller of its own for each path, since Nest reads the path from the class. */
export function consoleController(path: string): Type {
  const mounted = path.replace(/^\/+|\/+$/g, '');
  const depth = mounted.split('/').length;

  @Public()
  @NOT_DOCUMENTED
  @Controller({ path: mounted, version: VERSION_NEUTRAL })
  class ConsoleController {
    constructor(private readonly adapterHost: HttpAdapterHost) {}

    @Get()
    page(@Req() request: Addressed, @Res() response: unknown): void {
      const [address = ''] = (request.originalUrl ?? request.url ?? '').split('?', 1);
      // The files are beside the page, and so are the routes, by its own address.
      if (address.endsWith('/')) this.send(response, assets('../'.repeat(depth)).get('index.html'));
      else this.adapterHost.httpAdapter.redirect(response, 302, `${address.slice(address.lastIndexOf('/') + 1)}/`);
    }

    @Get(':file')
    file(@Param('file') name: string, @Res() response: unknown): void {
      this.send(response, assets('../'.repeat(depth)).get(name));
    }

    private send(response: unknown, asset: Asset | undefined): void {
      if (asset === undefined) throw new ProblemException(404);
      const { httpAdapter } = this.adapterHost;
      for (const [name, value] of Object.entries({ ...HEADERS, 'Content-Type': asset.type }))
        httpAdapter.setHeader(response, name, value);
      httpAdapter.reply(response, asset.content, 200);
    }
  }
  return ConsoleController;
}
