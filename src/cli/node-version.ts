/** The first import of main.ts: refuses a Node.js that is too old before anything else can fail in a less clear way. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `tunloom: this is Node.js ${process.versions.node}; tunloom needs 22.18 or newer ` +
      '(in the repository, `npx node` is new enough)\n',
  );
  process.exit(2);
}
