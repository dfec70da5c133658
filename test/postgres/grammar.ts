// Statements at random, over the tables of clinic.ts: of all shapes, those included that have no answer. One seed gives the same statements for ever.

/** A statement with its parameters. */
export interface Generated {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Numbers from 0 to 1 by a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const sealed = ['email', 'note', 'visits', 'born', 'active', 'weight', 'record', 'price'] as const;
const values: Readonly<Record<string, readonly unknown[]>> = {
  email: ['alice@example', 'bob@example', 'nobody@example', null, "it's"],
  note: ['pollen', 'nuts', null, ''],
  visits: ['7', 7, -1, null],
  born: [new Date(0), null],
  active: [true, false, null],
  weight: [61.5, 0, null],
  record: ['{"blood":"A"}', null],
  price: ['12.50', null],
  name: ['Alice', 'Bob', 'Eve', null],
  diagnosis: ['gout', 'hay fever', 'x', null],
  id: [1, 2, 3, 9],
};

/** A source of statements. */
export class Grammar {
  readonly #random: () => number;
  #values: unknown[] = [];

  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  next(): Generated {
    this.#values = [];
    const text = this.#pick([
      ...Array(6).fill(() => this.#select()),
      () => this.#insert(),
      () => this.#insert(),
      () => this.#update(),
      () => this.#update(),
      () => this.#delete(),
      () => this.#odd(),
    ])();
    return { text, values: this.#values };
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }

  #chance(of: number): boolean {
    return this.#random() < of;
  }

  #some<Item>(items: readonly Item[], most: number): Item[] {
    const count = 1 + Math.floor(this.#random() * most);
    return [...items].sort(() => this.#random() - 0.5).slice(0, count);
  }

  /** A value of a column: a parameter mostly, or a literal. */
  #value(column: string): string {
    const value = this.#pick(values[column] ?? [null]);
    if (this.#chance(0.2) && !(value instanceof Date)) {
      if (value === null) return 'null';
      return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
    }
    this.#values.push(value);
    return `$${this.#values.length}`;
  }

  #select(): string {
    const shape = this.#pick([
      'plain',
      'plain',
      'plain',
      'alias',
      'join',
      'left',
      'sub',
      'cte',
      'count',
      'self',
      'exists',
    ]);
    switch (shape) {
      case 'alias':
        return this.#query('patient p', ['p.'], 'p.id');
      case 'join':
        return this.#query('patient p join visit v on v.patient = p.id', ['p.', 'v.'], 'p.id, v.day');
      case 'left':
        return this.#query('patient p left join visit v on p.id = v.patient', ['p.'], 'p.id, v.day');
      case 'self':
        return this.#query('patient p join patient q on q.id = p.id', ['p.', 'q.'], 'p.id');
      case 'sub': {
        const inner = this.#columns(['']).join(', ');
        return `select ${this.#chance(0.5) ? 'x.*' : '*'} from (select ${inner}, id from patient${this.#where([''])}) x order by x.id`;
      }
      case 'cte': {
        const inner = this.#chance(0.5) ? '*' : `${this.#columns(['']).join(', ')}, id`;
        return `with x as (select ${inner} from patient${this.#where([''])}) select ${this.#chance(0.5) ? '*' : 'x.id'} from x order by id`;
      }
      case 'count':
        return `select count(*), count(${this.#pick(sealed)}) from patient${this.#where([''])}`;
      case 'exists':
        return `select p.id, p.note from patient p where exists (select 1 from visit v where v.patient = p.id and v.diagnosis = ${this.#value('diagnosis')}) order by p.id`;
      default:
        return this.#query(this.#pick(['patient', 'public.patient', '"patient"']), [''], 'id');
    }
  }

  #query(from: string, prefixes: readonly string[], key: string): string {
    const list = this.#chance(0.15) ? '*' : this.#columns(prefixes).join(', ');
    const order = this.#chance(0.1) ? ` order by ${prefixes[0]}${this.#pick(sealed)}` : ` order by ${key}`;
    const end = this.#pick(['', '', '', ' limit 2', ' limit 1 offset 1', prefixes.length > 1 ? '' : ' for update']);
    const distinct = this.#chance(0.05) ? 'distinct ' : '';
    return `select ${distinct}${list} from ${from}${this.#where(prefixes)}${order}${end}`;
  }

  #columns(prefixes: readonly string[]): string[] {
    const all = prefixes.flatMap((prefix) => this.#columnsOf(prefix));
    const names = this.#some(all, 4).map((column, i) => `${column} as c${i}`);
    if (this.#chance(0.1))
      names.push(
        this.#pick([`lower(${this.#first(prefixes)}email)`, `upper(${this.#first(prefixes)}name)`, '1 as one']),
      );
    return names;
  }

  #first(prefixes: readonly string[]): string {
    return prefixes[0] ?? '';
  }

  #columnsOf(prefix: string): readonly string[] {
    return (prefix === 'v.' ? ['day', 'diagnosis', 'clinic'] : [...sealed, 'name']).map((name) => `${prefix}${name}`);
  }

  #where(prefixes: readonly string[]): string {
    const count = this.#pick([0, 1, 1, 1, 2, 2, 3]);
    if (count === 0) return '';
    return ` where ${Array.from({ length: count }, () => this.#predicate(prefixes)).join(' and ')}`;
  }

  #predicate(prefixes: readonly string[]): string {
    const prefix = this.#pick(prefixes);
    const indexed = prefix === 'v.' ? 'diagnosis' : this.#pick(['email', 'visits']);
    const plain = () => (prefix === 'v.' ? 'v.day is not null' : `${prefix}name = ${this.#value('name')}`);
    const column = `${prefix}${indexed}`;
    const equal = () => `${column} = ${this.#value(indexed)}`;
    return this.#pick([
      equal,
      equal,
      equal,
      () => `${this.#value(indexed)} = ${column}`,
      () => `${column} in (${this.#value(indexed)}, ${this.#value(indexed)})`,
      () => `(${equal()} or ${equal()})`,
      () => `${column} is ${this.#pick(['', 'not '])}null`,
      () => (prefix === 'v.' ? plain() : `${prefix}id ${this.#pick(['=', '>', '<>'])} ${this.#value('id')}`),
      plain,
      () => `${column} = any(${this.#array(indexed)})`,
      () => this.#refused(column, indexed, plain),
    ])();
  }

  #array(column: string): string {
    this.#values.push(this.#some(values[column] ?? [], 3).map((value) => (value === null ? null : String(value))));
    return `$${this.#values.length}`;
  }

  #refused(column: string, name: string, plain: () => string): string {
    return this.#pick([
      () => `${column} <> ${this.#value(name)}`,
      () => `not (${column} = ${this.#value(name)})`,
      () => `(${column} = ${this.#value(name)} or ${plain()})`,
      () => `${column}::text like 'a%'`,
      () => `${column} > ${this.#value(name)}`,
      () => `${column} is not distinct from ${this.#value(name)}`,
      () => `coalesce(${column}, ${this.#value(name)}) = ${this.#value(name)}`,
      () => `(${column} = ${this.#value(name)}) is true`,
      () => `case when ${column} = ${this.#value(name)} then true else false end`,
      () => `(${column} = ${this.#value(name)} or ${column} is null)`,
    ])();
  }

  #insert(): string {
    const rows = this.#pick([1, 1, 2, 3]);
    const columns = ['name', ...this.#some(sealed, 4)];
    const withKey = this.#chance(0.5);
    const tuples = Array.from({ length: rows }, (_, i) => {
      const items = columns.map((column) => (this.#chance(0.1) ? 'default' : this.#value(column)));
      return `(${[...(withKey ? [String(1 + i * 20 + Math.floor(this.#random() * 12))] : []), ...items].join(', ')})`;
    });
    const list = [...(withKey ? ['id'] : []), ...columns].join(', ');
    const set = this.#some(columns, 3).map((column) => `${column} = excluded.${column}`);
    const conflict = this.#pick([
      ...['', '', '', ' on conflict do nothing', ' on conflict (email) do nothing'],
      ` on conflict (id) do update set ${set.join(', ')}`,
      ` on conflict (email) do update set ${set.join(', ')}`,
    ]);
    return `insert into patient (${list}) values ${tuples.join(', ')}${conflict}${this.#returning()}`;
  }

  #update(): string {
    const set = this.#some([...sealed, 'name'], 3).map((column) => {
      const value = this.#chance(0.05) ? `${column} ` : this.#value(column);
      return `${column} = ${value}`;
    });
    return `update patient${this.#chance(0.2) ? ' as patient' : ''} set ${set.join(', ')}${this.#where([''])}${this.#returning()}`;
  }

  #delete(): string {
    return `delete from visit${this.#pick([() => '', () => ` where diagnosis = ${this.#value('diagnosis')}`, () => ' where patient = 1'])()} returning diagnosis, day`;
  }

  #returning(): string {
    return this.#pick(['', ' returning id, email', ' returning *', ' returning note, visits']);
  }

  /** Shapes that lose where a value comes from, or what it is. */
  #odd(): string {
    const column = this.#pick(sealed);
    return this.#pick([
      () => `select ${column} from patient union all select ${column} from patient`,
      () => `select ${column}, count(*) from patient group by ${column}`,
      () => `select max(${column}::text) from patient`,
      () => `select (select ${column} from patient where id = 1)`,
      () => `select array_agg(${column}) from patient`,
      () => `select row_to_json(p) from patient p order by p.id`,
      () => `select p from patient p order by p.id`,
      () => `select x.${column} from (select ${column} from patient) x`,
      () => `select id from patient where ${column} = name`,
      () => `select a.id from patient a join patient b using (${column})`,
      () => `select id, ${column} is null as none from patient order by id`,
      () => `select name, row_number() over (order by ${column}) from patient`,
      () =>
        `select id from patient where id in (select patient from visit where diagnosis = ${this.#value('diagnosis')}) order by id`,
      () => `insert into patient (name, ${column}) select name, ${column} from patient`,
      () => `update patient set ${column} = (select ${column} from patient where id = 1) where id = 2`,
      () => `select ${column} from patient tablesample system (100) order by id`,
      () => `values (1), (2)`,
      () =>
        `with gone as (delete from visit returning id, clinic, day, diagnosis) select diagnosis from gone order by day`,
      () => `select id, ${column} from patient order by ${this.#pick(['1', '2', 'id', column])}`,
      () => `select ${column} as c, id from patient order by ${this.#pick(['1', '2', 'c', 'id'])}`,
      () => `explain (costs off) select ${column} from patient where id = 1`,
    ])();
  }
}
