// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAnomalyLogger} from "./interfaces/IAnomalyLogger.sol";
import {Rfc9162} from "./Rfc9162.sol";

/// @title AnomalyLogger
/// @notice What it promises, and what it refuses, is said in {IAnomalyLogger}.
contract AnomalyLogger is IAnomalyLogger {
    /// @dev One storage slot, so that one storage proof shows everything about a root. The order is part of the interface.
    /// A recorded size is never 0, so a size of 0 means: not on record.
    struct Record {
        uint64 size;
        uint64 sequence;
        uint64 time;
        uint64 blockNumber;
    }

    /// @inheritdoc IAnomalyLogger
    bytes32 public immutable override logId;

    /// @inheritdoc IAnomalyLogger
    address public immutable override owner;

    /// @inheritdoc IAnomalyLogger
    address public immutable override predecessor;

    // The order of these four is part of the interface: slots 0, 1, 2 and 3.

    /// @dev The head's size is in its record, or 0 while it is the empty root, which has none.
    bytes32 private _headRoot;

    mapping(bytes32 root => Record) private _records;

    /// @inheritdoc IAnomalyLogger
    address public override anchorer;

    /// @inheritdoc IAnomalyLogger
    address public override candidate;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    /// @param logId_ See {IAnomalyLogger-logId}.
    /// @param owner_ May replace the anchorer, forever.
    /// @param anchorer_ May anchor, until it is replaced. Another account than the owner.
    /// @param predecessor_ The contract whose log is continued here, or zero. It is not switched off by this: remove its
    /// anchorer first, or it can move on from the head that is taken over here.
    /// @param size The size to start at: the predecessor's, or 0.
    /// @param root The root to start at: the predecessor's, or SHA-256("").
    constructor(bytes32 logId_, address owner_, address anchorer_, address predecessor_, uint64 size, bytes32 root) {
        if (owner_ == address(0)) revert InvalidOwner(owner_);
        if (anchorer_ == address(0) || anchorer_ == owner_) revert InvalidAnchorer(anchorer_);
        if (predecessor_ == address(0)) {
            if (size != 0 || root != Rfc9162.EMPTY_ROOT) revert GenesisNotEmpty(root, size);
        } else {
            _requireHeadOf(predecessor_, logId_, size, root);
        }

        logId = logId_;
        owner = owner_;
        predecessor = predecessor_;
        anchorer = anchorer_;
        emit AnchorerChanged(address(0), anchorer_);

        _headRoot = root;
        if (size != 0) {
            _records[root] = Record(size, 0, uint64(block.timestamp), uint64(block.number));
            emit Anchored(root, size, 0);
        }
    }

    /// @inheritdoc IAnomalyLogger
    function anchor(bytes32 root, uint64 size, bytes32[] calldata proof, bytes calldata publication)
        external
        override
        returns (uint64 sequence)
    {
        if (msg.sender != anchorer) revert NotAnchorer(msg.sender);

        // A retry is harmless; a second size for the same root is a contradiction.
        Record storage rootRecord = _records[root];
        uint64 recordedSize = rootRecord.size;
        if (recordedSize != 0) {
            if (recordedSize != size) revert SizeContradictsRecord(root, recordedSize, size);
            return rootRecord.sequence;
        }

        bytes32 headRoot = _headRoot;
        Record storage headRecord = _records[headRoot];
        uint64 headSize = headRecord.size;
        sequence = headRecord.sequence + 1;

        if (size <= headSize) revert SizeNotGreater(headSize, size);
        if (!Rfc9162.verifyConsistency(headSize, headRoot, size, root, proof)) {
            revert InconsistentWithHead(headRoot, headSize, root, size);
        }

        _headRoot = root;
        // Field by field compiles to one single SSTORE, without the copy in memory that a struct literal is made in.
        rootRecord.size = size;
        rootRecord.sequence = sequence;
        rootRecord.time = uint64(block.timestamp);
        rootRecord.blockNumber = uint64(block.number);
        emit Anchored(root, size, sequence);
        if (publication.length != 0) emit Published(headSize, publication);
    }

    /// @inheritdoc IAnomalyLogger
    function proposeAnchorer(address candidate_) external override onlyOwner {
        if (candidate_ == owner) revert InvalidAnchorer(candidate_);
        candidate = candidate_;
        emit AnchorerProposed(candidate_);
    }

    /// @inheritdoc IAnomalyLogger
    function acceptAnchorer() external override {
        if (msg.sender != candidate) revert NotCandidate(msg.sender);
        candidate = address(0);
        _setAnchorer(msg.sender);
    }

    /// @inheritdoc IAnomalyLogger
    function removeAnchorer() external override onlyOwner {
        _setAnchorer(address(0));
    }

    /// @inheritdoc IAnomalyLogger
    function head() external view override returns (bytes32 root, uint64 size) {
        root = _headRoot;
        size = _records[root].size;
    }

    /// @inheritdoc IAnomalyLogger
    function record(bytes32 root)
        external
        view
        override
        returns (uint64 size, uint64 sequence, uint64 time, uint64 blockNumber)
    {
        Record memory known = _records[root];
        return (known.size, known.sequence, known.time, known.blockNumber);
    }

    /// @inheritdoc IAnomalyLogger
    function verifyInclusion(bytes32 root, bytes32 leafHash, uint64 index, bytes32[] calldata proof)
        external
        view
        override
        returns (bool)
    {
        uint64 size = _records[root].size;
        // slither takes all of a record for the block's time that stands in it. A size is neither a time nor a balance.
        // slither-disable-next-line incorrect-equality,timestamp
        if (size == 0) revert RootNotAnchored(root);
        return Rfc9162.verifyInclusion(leafHash, index, size, proof, root);
    }

    function _setAnchorer(address current) private {
        emit AnchorerChanged(anchorer, current);
        anchorer = current;
    }

    function _requireHeadOf(address predecessor_, bytes32 logId_, uint64 size, bytes32 root) private view {
        if (predecessor_.code.length == 0) revert PredecessorWithoutCode(predecessor_);
        bytes32 otherLog = IAnomalyLogger(predecessor_).logId();
        if (otherLog != logId_) revert PredecessorOfOtherLog(logId_, otherLog);
        (bytes32 headRoot, uint64 headSize) = IAnomalyLogger(predecessor_).head();
        if (headRoot != root || headSize != size) revert PredecessorHeadMismatch(headRoot, headSize, root, size);
    }
}
