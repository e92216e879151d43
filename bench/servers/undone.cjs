// Loaded before the product: takes one step of its tuning back, the one that UNDONE names, so that `--steps` can measure it.
const { dirname, join } = require('node:path');

const dist = join(dirname(module.filename), '..', '..', 'dist');

const undo = {
  'shared-reads': () => {
    const DataLoader = require('dataloader');
    const alone = class extends DataLoader {
      constructor(read, options) {
        super(read, { ...options, maxBatchSize: 1 });
      }
    };
    require.cache[require.resolve('dataloader')].exports = alone;
  },
  'shared-writes': () => {
    const { SharedRotations } = require(join(dist, 'auth/infrastructure/postgres/shared-rotations.js'));
    SharedRotations.prototype.write = function (_, values) {
      return this.alone(values);
    };
  },
  'idle-context': () => {
    require('node:async_hooks').AsyncLocalStorage.prototype.disable = () => undefined;
  },
  'plain-validation': () => {
    const pipes = require(join(dist, 'auth/http/kit/validation.pipe.js'));
    pipes.bodyPipe = (metatype) => ({
      transform: (body) => pipes.validationPipe().transform(body ?? {}, { type: 'body', metatype }),
    });
  },
  'own-signature': () => {
    const { JwtService } = require('@nestjs/jwt');
    const { JwtAccessTokenSigner } = require(join(dist, 'auth/infrastructure/jwt/jwt-access-token.signer.js'));
    const jwt = new JwtService({});
    JwtAccessTokenSigner.prototype.sign = function ({ stamps, roles, ...claims }) {
      const { issuer, audience } = this.expected;
      const payload = { ...claims, gv: stamps.globalVersionAtIssuance, uv: stamps.tokenVersion, roles };
      const [[kid, { key }]] = this.keys;
      const header = { typ: 'at+jwt', kid };
      return jwt.sign(payload, { privateKey: key, algorithm: 'HS256', issuer, audience, header });
    };
  },
  'bulk-randomness': () => {
    require(join(dist, 'auth/domain/random.js')).randomBytesInBulk = require('node:crypto').randomBytes;
  },
};

undo[process.env.UNDONE]();
