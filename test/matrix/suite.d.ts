/** Types of the portable suite for who runs it; the suite itself stays plain JavaScript. */
export declare const subpaths: readonly string[];
