/** The shapes in which a MAG or LMA reports its bindings and what happens; docs/control-socket.md shows them. */
import type { WanMetrics } from '../pmipv6/tunnel-session.ts';

/** One care-of address of a session. */
export interface BindingPath {
  readonly bid: number;
  /** LMA: `active`. MAG: the state of its registration. */
  readonly state: string;
  readonly local: string;
  readonly remote: string;
  /** UDP port of the other end's signaling or, behind a NAT, of the NAT; null without UDP. */
  readonly port: number | null;
  readonly encapsulation: string | null;
  readonly technology: number;
  readonly label: number | null;
  /** MAG: the WAN interface. */
  readonly interface: string | null;
  readonly metrics: WanMetrics;
  /** Share in the schedule of this end; null while there is no tunnel. */
  readonly weight: number | null;
  readonly expiresInSeconds: number | null;
}

/** One Binding Cache or Binding Update List entry. */
export interface BindingStatus {
  readonly session: string;
  readonly node: string;
  /** LMA: the MAG Identifier; MAG: the LMA's address. */
  readonly peer: string | null;
  readonly state: string;
  readonly prefixes: readonly string[];
  readonly homeAddress: string | null;
  readonly delegated: readonly string[];
  readonly multipath: boolean;
  /** Where the weights come from: operator, signaled weight, rates, labels, technologies, equal. */
  readonly weightsFrom: string | null;
  readonly paths: readonly BindingPath[];
}

/** Messages by name or reason since the start. */
export interface SignalingStatus {
  readonly role: 'mag' | 'lma';
  readonly restartCounter: number;
  readonly received: Readonly<Record<string, number>>;
  readonly sent: Readonly<Record<string, number>>;
  /** Could not be read or were not let through. */
  readonly refused: Readonly<Record<string, number>>;
  readonly unsent: number;
  readonly overflow: number;
  /** PBA (LMA: sent, MAG: received) by status. */
  readonly answered: Readonly<Record<string, number>>;
  /** Read, but led to nothing: by reason. */
  readonly ignored: Readonly<Record<string, number>>;
}

/** What a MAG or LMA adds to the events of its data plane (GET /v1/events). */
export type NodeEvent =
  | {
      readonly event: 'pathAdded' | 'pathRemoved' | 'pathChanged';
      readonly session: string;
      readonly bid: number;
      readonly local: string;
      readonly remote: string;
      readonly encapsulation: string;
    }
  | {
      readonly event: 'weightsChosen';
      readonly session: string;
      /** operator, signaled weight, rates, labels, technologies, equal. */
      readonly from: string;
      /** By BID. */
      readonly weights: Readonly<Record<number, number>>;
    }
  | {
      readonly event: 'message';
      readonly direction: 'in' | 'out';
      /** PBU, PBA, BRI, BRA, HB, BE, UPN, UPA. */
      readonly message: string;
      readonly local: string;
      readonly remote: string;
      readonly node: string | null;
      readonly bid: number | null;
      /** Of a PBA. */
      readonly status: number | null;
      readonly text: string;
    }
  | {
      readonly event: 'log';
      readonly level: string;
      readonly text: string;
      readonly node?: string | undefined;
      readonly peer?: string | undefined;
    }
  | {
      readonly event: 'interface';
      readonly interface: string;
      readonly up: boolean;
      readonly addresses: readonly string[];
    };
