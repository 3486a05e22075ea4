"""The parts of the scale-set editor, vmss_editor.py: what is drawn, what is asked, what is done."""
