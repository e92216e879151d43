import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

interface Defect {
  readonly name: string;
  readonly spec: string;
  readonly changes: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
}

const { plantedDefects } = jest.requireActual<{ plantedDefects: readonly Defect[] }>(
  '../../scripts/planted-defects.mjs',
);

const inRepository = (path: string): string => resolve(__dirname, '../..', path);

// `npm run test:mutants` takes minutes; that a change has left a defect nowhere to be planted shows at once.
it.each(plantedDefects.map((defect) => [defect.name, defect] as const))(
  'the planted defect "%s" has its place and its spec',
  (_name, { spec, changes }) => {
    expect(existsSync(inRepository(spec))).toBe(true);
    const texts = new Map<string, string>();
    for (const { file, find, replace } of changes) {
      const parts = (texts.get(file) ?? readFileSync(inRepository(file), 'utf8')).split(find);
      expect([file, find, parts.length - 1]).toEqual([file, find, 1]);
      texts.set(file, parts.join(replace));
    }
  },
);
