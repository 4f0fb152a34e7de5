"""What every part of hw_build stands on: errors, progress, files, boards, exports, the step engine."""
