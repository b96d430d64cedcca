// The module as workerd loads it: what `worker-build` writes, without what it adds for WebSockets and panics.
import { Room, fetch } from "./built/instance.js";

export { Room };
export default { fetch };
