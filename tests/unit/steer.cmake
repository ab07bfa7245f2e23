# Steering of connections to workers. steer, steer_share and steer_program need the right to load
# eBPF.
kiln_unit_test(steer_shares SOURCES steer_shares_test.c LIBRARIES kiln_bpf)
kiln_unit_test(steer SOURCES steer_test.c steer_rig.c LABELS "bpf;unit" TIMEOUT 300
  LIBRARIES kiln_bpf)
kiln_unit_test(steer_share SOURCES steer_share_test.c steer_rig.c LABELS "bpf;unit" TIMEOUT 300)
kiln_unit_test(steer_board SOURCES steer_board_test.c)
add_test(NAME unit_steer_program
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/steer_program.py $<TARGET_FILE:kiln>)
set_tests_properties(unit_steer_program PROPERTIES LABELS "bpf;unit" TIMEOUT 300
  SKIP_RETURN_CODE 77)
