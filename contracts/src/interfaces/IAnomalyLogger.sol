// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IAnomalyLogger
/// @notice Anchors the roots of ONE append-only Merkle log on this chain, and refuses every root that does not provably
/// extend the one before it: not even the operator can rewrite what has been anchored.
///
/// @dev The log is the tree of RFC 9162 §2.1 (the same as RFC 6962): a leaf hashes to SHA-256(0x00 ‖ entry), an inner
/// node to SHA-256(0x01 ‖ left ‖ right), and the empty tree has the root SHA-256("").
///
/// What the contract does NOT do: it has no upgrade, no deletion, no pause, takes no money, never sees an entry, and does
/// not look into a publication. That a publication fits the entries is for its reader to check. The first root of an
/// empty log extends nothing, so nothing can be checked about it: it binds what follows, not what came before.
///
/// Storage layout, part of this interface because verifiers prove single slots with `eth_getProof`:
///
/// | slot                      | content                                                               |
/// |---------------------------|-----------------------------------------------------------------------|
/// | 0                         | root of the head                                                      |
/// | keccak256(root ‖ uint256(1)) | record of `root`: size (bits 0–63), sequence (64–127), time (128–191), block number (192–255) |
/// | 2                         | anchorer                                                              |
/// | 3                         | candidate                                                             |
interface IAnomalyLogger {
    /// @notice A root was anchored: the log had `size` entries under `root`.
    /// @dev Emitted exactly once for each record, also by the constructor of a successor (with sequence 0).
    event Anchored(bytes32 indexed root, uint64 indexed size, uint64 sequence);

    /// @notice The operator published bytes about the entries from `firstIndex` (inclusive) to the size of the `Anchored`
    /// event just before (exclusive).
    event Published(uint64 indexed firstIndex, bytes publication);

    /// @notice The owner named the account that may become the anchorer. Zero: an earlier proposal was withdrawn.
    event AnchorerProposed(address indexed candidate);

    /// @notice The right to anchor passed from `previous` to `current`. Zero as `current`: nobody has it.
    event AnchorerChanged(address indexed previous, address indexed current);

    /// @notice Zero is no owner: nobody could replace a stolen anchoring key.
    error InvalidOwner(address owner);

    /// @notice Zero cannot anchor, and the owner must not: the key that is used every day is not the one that replaces it.
    error InvalidAnchorer(address anchorer);

    /// @notice A log without a predecessor starts empty: with size 0 and the root SHA-256("").
    error GenesisNotEmpty(bytes32 root, uint64 size);

    /// @notice There is no contract at the predecessor's address.
    error PredecessorWithoutCode(address predecessor);

    /// @notice The predecessor anchors another log.
    error PredecessorOfOtherLog(bytes32 expected, bytes32 actual);

    /// @notice A successor starts at its predecessor's head, and the head is another one than was given.
    error PredecessorHeadMismatch(bytes32 headRoot, uint64 headSize, bytes32 root, uint64 size);

    /// @notice `caller` is not the owner.
    error NotOwner(address caller);

    /// @notice `caller` is not the anchorer.
    error NotAnchorer(address caller);

    /// @notice `caller` is not the candidate.
    error NotCandidate(address caller);

    /// @notice The log only grows.
    error SizeNotGreater(uint64 headSize, uint64 size);

    /// @notice The root is on record with another size. A root has one size: both cannot be true.
    error SizeContradictsRecord(bytes32 root, uint64 recordedSize, uint64 size);

    /// @notice The proof does not show that (`root`, `size`) extends the head.
    error InconsistentWithHead(bytes32 headRoot, uint64 headSize, bytes32 root, uint64 size);

    /// @notice The root has never been anchored here.
    error RootNotAnchored(bytes32 root);

    /// @notice Which log this is: SHA-256(origin ‖ 0x0A ‖ 0x01 ‖ Ed25519 public key), with the origin and the key of its
    /// checkpoints. The contract only keeps it.
    function logId() external view returns (bytes32);

    /// @notice The account that may replace the anchorer and do nothing else. It never changes.
    function owner() external view returns (address);

    /// @notice The contract that anchored this log before, or zero.
    function predecessor() external view returns (address);

    /// @notice The account that may anchor, or zero when nobody may.
    function anchorer() external view returns (address);

    /// @notice The account that may make itself the anchorer by `acceptAnchorer`, or zero.
    function candidate() external view returns (address);

    /// @notice The newest anchored state. Before the first: SHA-256("") and 0.
    function head() external view returns (bytes32 root, uint64 size);

    /// @notice The permanent record of an anchored root. All zero if the root was never anchored.
    /// @param root The root asked for.
    /// @return size How many entries the log had under this root; never 0 in a record.
    /// @return sequence The how-manieth anchored root this was, counted from 1; 0 for the root that a successor started at.
    /// @return time The time of the block that recorded it, in seconds since 1970.
    /// @return blockNumber The number of that block.
    function record(bytes32 root) external view returns (uint64 size, uint64 sequence, uint64 time, uint64 blockNumber);

    /// @notice Anchors (`root`, `size`) as the new head. For the anchorer only.
    /// @dev Reverts unless `proof` shows by RFC 9162 §2.1.4.2, with not one hash too few or too many, that the head is a
    /// prefix of the new tree. An empty head is a prefix of every tree, and its proof is empty.
    ///
    /// A root that is already on record with this same size changes nothing, emits nothing and returns its sequence, also
    /// when newer roots have followed (then neither `proof` nor `publication` is looked at). So a sender who does not know
    /// whether its transaction arrived may simply send it again.
    /// @param root The root of the tree of the first `size` entries.
    /// @param size How many entries the root covers; more than the head does.
    /// @param proof The consistency proof from the head to (`root`, `size`).
    /// @param publication Bytes to be emitted as event data, for readers who have nothing but the chain; may be empty.
    /// @return sequence The sequence of the root's record.
    function anchor(bytes32 root, uint64 size, bytes32[] calldata proof, bytes calldata publication)
        external
        returns (uint64 sequence);

    /// @notice Whether `leafHash` is the leaf number `index` of the tree with the anchored `root`, by RFC 9162 §2.1.3.2.
    /// @dev The size comes from the record and not from the caller, since a wrong size can fit an honest proof. Reverts if
    /// the root was never anchored; false for every other mismatch.
    /// @param root An anchored root.
    /// @param leafHash SHA-256(0x00 ‖ entry).
    /// @param index The entry's index, counted from 0.
    /// @param proof The inclusion proof, from the leaf's sibling up to the root's child.
    function verifyInclusion(bytes32 root, bytes32 leafHash, uint64 index, bytes32[] calldata proof)
        external
        view
        returns (bool);

    /// @notice Names the account that may become the anchorer; it replaces an earlier proposal. For the owner only.
    /// @dev Until it accepts, the current anchorer stays. Zero withdraws the proposal.
    /// @param candidate_ Any account but the owner.
    function proposeAnchorer(address candidate_) external;

    /// @notice Makes the caller the anchorer. For the candidate only, which so shows that its key is in somebody's hands.
    function acceptAnchorer() external;

    /// @notice Takes the right to anchor away at once, say because the key was stolen. For the owner only.
    /// @dev A pending proposal stays valid: propose first and remove then, or the other way round.
    function removeAnchorer() external;
}
