/** A decorator, whatever it decorates. */
type Decorate = (...place: never[]) => void;

/**
 * The decorators of a package that takes long to load and is not needed before its first use. They are noted, and applied
 * in the same order once it is: a package reads what an earlier decorator of its own has left, and the compiler's types,
 * and nothing of them changes in the meantime.
 */
export class Noted<Package> {
  private readonly waiting: ((from: Package) => void)[] = [];
  private loaded: Package | undefined;

  constructor(private readonly load: () => Package) {}

  /** The package's function of that name, whose decorators wait. */
  factory<Name extends keyof Package>(name: Name): Package[Name] {
    const noting = (...given: never[]) =>
      this.decorator((from) => (from[name] as (...given: never[]) => Decorate)(...given));
    return noting as Package[Name];
  }

  /** A decorator that is created from the package. */
  decorator(make: (from: Package) => Decorate): MethodDecorator & ClassDecorator & PropertyDecorator {
    return (...place: unknown[]) => void this.waiting.push((from) => make(from)(...(place as never[])));
  }

  /** The package, with everything applied that was noted so far. */
  apply(): Package {
    const from = (this.loaded ??= this.load());
    if (this.waiting.length > 0) for (const decorate of this.waiting.splice(0)) decorate(from);
    return from;
  }
}
