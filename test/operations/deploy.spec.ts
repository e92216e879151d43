import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { type Json, startTestApplication } from '../support/app/test-application';
import { describeWith } from '../support/describe-with';

const ROOT = resolve(__dirname, '../..');
const DEPLOY = join(ROOT, 'deploy');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const run = promisify(execFile);

const rules: Json[] = parse(read('deploy/prometheus-rules.yml')).groups.flatMap((group: Json) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const recorded = rules.flatMap(({ record }) => record ?? []);
const panels: Json[] = JSON.parse(read('deploy/grafana.json')).panels.filter(({ type }: Json) => type !== 'row');
const metricsIn = (text: string) => text.match(/\bratchet_[a-z0-9_]+/g) ?? [];

describe('the alerts and the dashboard', () => {
  let exposed: Set<string>;
  beforeAll(async () => {
    const application = await startTestApplication();
    try {
      await application.refresh((await application.logIn()).body.refreshToken);
      await application.get('/health/live');
      const text: string = (await application.get('/metrics')).body;
      exposed = new Set(
        [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
          type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
        ),
      );
    } finally {
      await application.close();
    }
  });

  it('ask for metrics that /metrics has', () => {
    const asked = [
      ...rules.map(({ expr }) => expr),
      ...panels.flatMap(({ targets }) => targets.map(({ expr }: Json) => expr)),
    ];
    expect(asked.length).toBeGreaterThan(50);
    expect(asked.flatMap((expr) => metricsIn(expr)).filter((name) => !exposed.has(name))).toEqual([]);
    const derived = asked.flatMap((expr: string) => expr.match(/ratchet:[a-z0-9_:]+/g) ?? []);
    expect(derived.filter((name) => !recorded.includes(name))).toEqual([]);
  });

  it('cover every metric of docs/operations.md: each that says when to alert has an alert, and each has a panel', () => {
    const rows = [...read('docs/operations.md').matchAll(/^\| (`ratchet_[^|]*)\| ([^|]*)\| [^|]*\|$/gm)];
    expect(rows.length).toBeGreaterThan(20);
    // Its 99th percentile is an objective, of which the rules look at the buckets.
    const alerting = alerts
      .map(({ expr }) => expr)
      .concat(rules.map(({ expr }) => expr))
      .join();
    const shown = JSON.stringify(panels);
    const named = (text: string, name: string) => new RegExp(`${name}(_bucket|_count)?\\b`).test(text);
    for (const [, metrics = '', when = ''] of rows)
      for (const name of metricsIn(metrics)) {
        expect([name, named(shown, name)]).toEqual([name, true]);
        if (when.trim() !== '') expect([name, named(alerting, name)]).toEqual([name, true]);
      }
  });

  it('have a test for every alert, and each says what it is in one line', () => {
    const tests = read('deploy/prometheus-rules.test.yml') + read('deploy/prometheus-rules.slow.test.yml');
    for (const { alert, labels, annotations } of alerts) {
      expect(['page', 'ticket']).toContain(labels.severity);
      expect(annotations.summary).toMatch(/^.{20,}$/);
      expect(tests).toMatch(new RegExp(`alertname: ${alert}\n +exp_alerts:\n`));
    }
  });
});

describeWith('/usr/bin/promtool', 'prometheus')('promtool', () => {
  it('accepts the rules', async () => {
    expect((await run('promtool', ['check', 'rules', 'prometheus-rules.yml'], { cwd: DEPLOY })).stdout).toContain(
      'SUCCESS',
    );
  });
});

describeWith('/usr/sbin/haproxy', 'haproxy')('haproxy', () => {
  it('accepts its configuration', async () => {
    const env = { RATCHET_BIND: '127.0.0.1:8080', RATCHET_ONE: '127.0.0.1:3001', RATCHET_TWO: '127.0.0.1:3002' };
    await run('/usr/sbin/haproxy', ['-c', '-f', join(DEPLOY, 'haproxy.cfg')], { env });
  });
});

describe('the image', () => {
  it('has its packages at the versions that are tested', () => {
    const root = JSON.parse(read('package.json'));
    const image = JSON.parse(read('deploy/package.json'));
    const lock = JSON.parse(read('deploy/package-lock.json'));
    expect(lock.packages[''].dependencies).toEqual(image.dependencies);
    expect({ ...root.dependencies, ...root.devDependencies }).toMatchObject(image.dependencies);
  });

  it('is built from files that its build is given, and starts node itself, not as root', () => {
    const dockerfile = read('deploy/Dockerfile');
    const given = new Set(read('deploy/Dockerfile.dockerignore').match(/(?<=^!).*$/gm));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    );
    expect(new Set(copied)).toEqual(given);
    for (const file of copied) expect([file, existsSync(join(ROOT, file))]).toEqual([file, true]);
    expect(dockerfile).toMatch(/^USER node$[^]*^CMD \["node", /m);
    expect(dockerfile).not.toMatch(/^ENTRYPOINT|^CMD (?!\[)/m);
  });
});

describe('the manifests', () => {
  const kinds: Record<string, Json> = Object.fromEntries(
    parseAllDocuments(read('deploy/kubernetes.yml')).map((document) => [document.toJS().kind, document.toJS()]),
  );
  const compose: Json = parse(read('deploy/compose.yml'), { merge: true });
  const settings = new Set(
    read('.env.example')
      .match(/^(?:# )?[A-Z_]+(?==)/gm)
      ?.map((name) => name.replace('# ', '')),
  );
  const pod = ({ spec }: Json): Json => spec.template.spec;

  it('set what the application reads', () => {
    for (const name of [...Object.keys(kinds['ConfigMap'].data), ...Object.keys(compose.services.one.environment)])
      expect(settings).toContain(name);
  });

  it('migrate first, once, with a command that exists', () => {
    for (const command of [pod(kinds['Job']).containers[0].command, compose.services.migrate.command])
      expect(command).toEqual(['node', 'bin/ratchet.cjs', 'migrate']);
    expect(kinds['ConfigMap'].data.MIGRATE_ON_START).toBe('false');
    expect(compose.services.one.environment.MIGRATE_ON_START).toBe('false');
    for (const name of ['one', 'two'])
      expect(compose.services[name].depends_on.migrate.condition).toBe('service_completed_successfully');
  });

  it('select the pods of the Deployment, probe routes that exist, and leave time to end', () => {
    const { Deployment, Service, PodDisruptionBudget } = kinds;
    const { labels } = Deployment.spec.template.metadata;
    for (const selector of [
      Deployment.spec.selector.matchLabels,
      Service.spec.selector,
      PodDisruptionBudget.spec.selector.matchLabels,
    ])
      expect(labels).toMatchObject(selector);
    expect(kinds['Job'].spec.template.metadata.labels).not.toMatchObject(Service.spec.selector);
    const [container] = pod(Deployment).containers;
    const ports = container.ports.map(({ name }: Json) => name);
    expect(ports).toContain(Service.spec.ports[0].targetPort);
    const routes = Object.keys(JSON.parse(read('openapi.json')).paths);
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      expect(routes).toContain(container[probe].httpGet.path);
      expect(ports).toContain(container[probe].httpGet.port);
    }
    const [, wait] = container.lifecycle.preStop.exec.command;
    expect(pod(Deployment).terminationGracePeriodSeconds).toBeGreaterThan(Number(wait) + 5 + 10);
  });

  it('run as nobody in particular, on a root that nothing can write', () => {
    for (const kind of ['Job', 'Deployment']) {
      expect(pod(kinds[kind]).securityContext.runAsNonRoot).toBe(true);
      expect(pod(kinds[kind]).containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
    expect(compose.services.one).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
  });

  it('hold no secret', () => {
    expect(read('deploy/kubernetes.yml')).not.toMatch(/TOKEN_KEYS|DATABASE_URL/);
    for (const name of ['ACCESS_TOKEN_KEYS', 'REFRESH_TOKEN_KEYS'])
      expect(compose.services.one.environment[name]).toBe(`\${${name}:?see README.md}`);
  });
});

describe('.github', () => {
  const workflow = (name: string): Json => parse(read(`.github/workflows/${name}.yml`));

  it('has a CI that runs .ci/run on every combination of Node and PostgreSQL', () => {
    const { proof } = workflow('ci').jobs;
    expect(proof.strategy.matrix).toEqual({ node: [20, 22, 24], postgres: [15, 18] });
    expect(proof.steps.some(({ run: command }: Json) => command === '.ci/run')).toBe(true);
  });

  it('publishes with provenance, from a tag, what CI has passed', () => {
    const release = workflow('release');
    expect(release.on).toEqual({ push: { tags: ['v*'] } });
    const { publish } = release.jobs;
    expect(publish.permissions).toEqual({ contents: 'read', 'id-token': 'write' });
    expect(publish.needs).toBe('proof');
    const commands = publish.steps.map(({ run: command = '' }: Json) => command);
    const at = (part: string) => commands.findIndex((command: string) => command.includes(part));
    expect(at('npm publish --provenance')).toBeGreaterThan(at('npm run release:dry'));
    expect(at('npm run release:dry')).toBeGreaterThan(at('npm ci'));
  });

  it.each(['ci', 'release', 'codeql'])('gives %s no more rights than it needs, and pins its actions', (name) => {
    const { permissions, jobs } = workflow(name);
    expect(permissions).toEqual({ contents: 'read' });
    for (const job of Object.values<Json>(jobs))
      for (const uses of [job.uses, ...(job.steps ?? []).map((step: Json) => step.uses)])
        if (uses !== undefined) expect(uses).toMatch(/^\.\/|@(v\d+|[\da-f]{40})$/);
  });

  it('asks for what `ratchet doctor` prints before anything is reported', () => {
    const bug: Json = parse(read('.github/ISSUE_TEMPLATE/bug.yml'));
    const doctor = bug.body.find(({ id }: Json) => id === 'doctor');
    expect(doctor).toMatchObject({ validations: { required: true }, attributes: { render: 'text' } });
    expect(doctor.attributes.description).toContain('npx ratchet doctor');
    const forms = ['bug', 'feature'].map((name) => parse(read(`.github/ISSUE_TEMPLATE/${name}.yml`)));
    for (const { body } of forms)
      for (const { type } of body) expect(['markdown', 'textarea', 'input', 'dropdown', 'checkboxes']).toContain(type);
    expect(parse(read('.github/ISSUE_TEMPLATE/config.yml')).blank_issues_enabled).toBe(false);
  });

  it('lets Renovate keep the versions of the image with those of the tests', () => {
    const { packageRules } = JSON.parse(read('.github/renovate.json'));
    expect(packageRules).toContainEqual(
      expect.objectContaining({ matchFileNames: ['package.json', 'deploy/package.json'] }),
    );
  });
});
