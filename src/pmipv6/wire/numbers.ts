/** Numbers of messages, options and status codes, each with its RFC (IANA "Mobile IPv6 parameters"). */

/** Next Header value of the Mobility Header (RFC 6275 §6.1). */
export const IPPROTO_MH = 135;
/** pmip6-cntl (RFC 5844 §4.1). */
export const SIGNALING_PORT = 5436;
/** pmip6-data (RFC 5844 §4.1). */
export const DATA_PORT = 5437;

/** MH Type (RFC 6275 §6.1.1, 5847, 5846, 7077). */
export const MessageType = {
  BINDING_UPDATE: 5,
  BINDING_ACK: 6,
  BINDING_ERROR: 7,
  HEARTBEAT: 13,
  REVOCATION: 16,
  UPDATE_NOTIFICATION: 19,
  UPDATE_NOTIFICATION_ACK: 20,
} as const;

/** Status of a Proxy Binding Acknowledgement; 128 and above reject. */
export const Status = {
  ACCEPTED: 0,
  PREFIX_DISCOVERY_NECESSARY: 1,
  GRE_KEY_OPTION_NOT_REQUIRED: 2,
  GRE_TUNNELING_BUT_TLV_HEADER_NOT_SUPPORTED: 3,
  MCOA_NOTCOMPLETE: 4,
  MCOA_RETURNHOME_WO_NDP: 5,
  TRANSIENT_BINDING_IGNORED: 6,
  REASON_UNSPECIFIED: 128,
  ADMINISTRATIVELY_PROHIBITED: 129,
  INSUFFICIENT_RESOURCES: 130,
  HOME_REGISTRATION_NOT_SUPPORTED: 131,
  NOT_HOME_SUBNET: 132,
  NOT_HOME_AGENT_FOR_THIS_MOBILE_NODE: 133,
  DUPLICATE_ADDRESS_DETECTION_FAILED: 134,
  SEQUENCE_NUMBER_OUT_OF_WINDOW: 135,
  EXPIRED_HOME_NONCE_INDEX: 136,
  EXPIRED_CARE_OF_NONCE_INDEX: 137,
  EXPIRED_NONCES: 138,
  REGISTRATION_TYPE_CHANGE_DISALLOWED: 139,
  MOBILE_ROUTER_OPERATION_NOT_PERMITTED: 140,
  INVALID_PREFIX: 141,
  NOT_AUTHORIZED_FOR_PREFIX: 142,
  FORWARDING_SETUP_FAILED: 143,
  MIPV6_ID_MISMATCH: 144,
  MIPV6_MESG_ID_REQD: 145,
  MIPV6_AUTH_FAIL: 146,
  SERVICE_AUTHORIZATION_FAILED: 151,
  PROXY_REG_NOT_ENABLED: 152,
  NOT_LMA_FOR_THIS_MOBILE_NODE: 153,
  MAG_NOT_AUTHORIZED_FOR_PROXY_REG: 154,
  NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX: 155,
  TIMESTAMP_MISMATCH: 156,
  TIMESTAMP_LOWER_THAN_PREV_ACCEPTED: 157,
  MISSING_HOME_NETWORK_PREFIX_OPTION: 158,
  BCE_PBU_PREFIX_SET_DO_NOT_MATCH: 159,
  MISSING_MN_IDENTIFIER_OPTION: 160,
  MISSING_HANDOFF_INDICATOR_OPTION: 161,
  MISSING_ACCESS_TECH_TYPE_OPTION: 162,
  GRE_KEY_OPTION_REQUIRED: 163,
  MCOA_MALFORMED: 164,
  MCOA_NON_MCOA_BINDING_EXISTS: 165,
  MCOA_PROHIBITED: 166,
  MCOA_UNKNOWN_COA: 167,
  MCOA_BULK_REGISTRATION_PROHIBITED: 168,
  MCOA_SIMULTANEOUS_HOME_AND_FOREIGN_PROHIBITED: 169,
  NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE: 170,
  NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS: 171,
  NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE: 172,
  MULTIPLE_IPV4_HOME_ADDRESS_ASSIGNMENT_NOT_SUPPORTED: 173,
  INVALID_CARE_OF_ADDRESS: 174,
  INVALID_MOBILE_NODE_GROUP_IDENTIFIER: 175,
  REINIT_SA_WITH_HAC: 176,
  NOT_AUTHORIZED_FOR_DELEGATED_MNP: 177,
  REQUESTED_DMNP_IN_USE: 178,
  CANNOT_MEET_QOS_SERVICE_REQUEST: 179,
  CANNOT_SUPPORT_MULTIPATH_BINDING: 180,
} as const;

/** Status of an IPv4 Home Address Reply (RFC 5844 §3.3.2). */
export const Ipv4Status = {
  SUCCESS: 0,
  FAILURE_UNSPECIFIED: 128,
  ADMINISTRATIVELY_PROHIBITED: 129,
  INCORRECT_IPV4_HOME_ADDRESS: 130,
  INVALID_IPV4_ADDRESS: 131,
  DYNAMIC_ASSIGNMENT_NOT_AVAILABLE: 132,
} as const;

/** Handoff Indicator (RFC 5213 §8.4, RFC 7864 §6). */
export const Handoff = {
  RESERVED: 0,
  NEW_INTERFACE: 1,
  BETWEEN_INTERFACES: 2,
  BETWEEN_MAGS: 3,
  UNKNOWN: 4,
  NOT_CHANGED: 5,
  NEW_INTERFACE_SHARING_PREFIXES: 6,
} as const;

/** Access Technology Type (RFC 5213 §8.5). */
export const AccessTechnology = {
  RESERVED: 0,
  VIRTUAL: 1,
  PPP: 2,
  ETHERNET: 3,
  WLAN: 4,
  WIMAX: 5,
  GERAN: 6,
  UTRAN: 7,
  E_UTRAN: 8,
  EHRPD: 9,
  HRPD: 10,
  ONE_X_RTT: 11,
  UMB: 12,
  NB_IOT: 13,
} as const;

/** Revocation Trigger of a BRI (RFC 5846 §5.1). */
export const RevocationTrigger = {
  UNSPECIFIED: 0,
  ADMINISTRATIVE: 1,
  INTER_MAG_SAME_ACCESS: 2,
  INTER_MAG_DIFFERENT_ACCESS: 3,
  INTER_MAG_UNKNOWN: 4,
  USER: 5,
  ACCESS_NETWORK: 6,
  OUT_OF_SYNC: 7,
  PER_PEER_POLICY: 128,
  LOCAL_POLICY: 129,
} as const;

/** Status of a BRA (RFC 5846 §5.2). */
export const RevocationStatus = {
  SUCCESS: 0,
  PARTIAL_SUCCESS: 1,
  BINDING_DOES_NOT_EXIST: 128,
  IPV4_HOA_OPTION_REQUIRED: 129,
  GLOBAL_NOT_AUTHORIZED: 130,
  IDENTITY_REQUIRED: 131,
  MN_ATTACHED: 132,
  TRIGGER_NOT_SUPPORTED: 133,
  FUNCTION_NOT_SUPPORTED: 134,
  PROXY_NOT_SUPPORTED: 135,
} as const;

/** Why a revocation with G and this trigger is not carried out, null: it is (RFC 5846 §6.2.1; of the global triggers we know one). */
export function globalRefusal(trigger: number): number | null {
  if (trigger === RevocationTrigger.PER_PEER_POLICY) return null;
  return trigger < RevocationTrigger.PER_PEER_POLICY
    ? RevocationStatus.FUNCTION_NOT_SUPPORTED
    : RevocationStatus.TRIGGER_NOT_SUPPORTED;
}

/** Status of a Binding Error (RFC 6275 §6.1.9). */
export const BindingErrorStatus = { UNKNOWN_BINDING: 1, UNRECOGNIZED_MH_TYPE: 2 } as const;

/** Notification Reason of an UPN (RFC 7077 §4.1, RFC 7864). */
export const NotificationReason = {
  FORCE_REREGISTRATION: 1,
  UPDATE_SESSION_PARAMETERS: 2,
  VENDOR_SPECIFIC: 3,
  ANI_PARAMS_REQUESTED: 4,
  QOS_SERVICE_REQUEST: 5,
  FLOW_MOBILITY: 8,
} as const;

/** Mobile Node Identifier subtype of a Network Access Identifier (RFC 4283 §3.1); MAG Identifier uses the same registry. */
export const SUBTYPE_NAI = 1;

/** One unit of the Lifetime field, in seconds (RFC 6275 §6.1.7). */
export const LIFETIME_UNIT_S = 4;

/** The name that one of the tables above has for a number, or the number itself. */
export function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  const entry = Object.entries(table).find(([, number]) => number === value);
  return entry ? `${value} (${entry[0].toLowerCase().replaceAll('_', '-')})` : String(value);
}
